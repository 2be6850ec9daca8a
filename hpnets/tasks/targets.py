"""The named functions that the `line` task learns, with their intervals and where they are defined."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Interval = tuple[float, float]


class Target(NamedTuple):
    """A function x (N, d) -> y (N, output_dim), and its usual intervals, per coordinate."""

    function: Callable[[Tensor], Tensor]
    train_range: Interval = (-1.0, 1.0)
    test_range: Interval = (-2.0, 2.0)
    output_dim: int = 1
    only_1d: bool = False


def _sum(terms: Tensor) -> Tensor:
    return terms.sum(1, keepdim=True)


def cubic(x: Tensor) -> Tensor:
    """y = x^3 + x^2 - 5 x + 5, d = 1."""
    return x**3 + x**2 - 5 * x + 5


def cos2x(x: Tensor) -> Tensor:
    """y = cos(2 x), d = 1."""
    return torch.cos(2 * x)


def linear(x: Tensor) -> Tensor:
    """y = sum_i x_i."""
    return _sum(x)


def quadratic(x: Tensor) -> Tensor:
    """y = sum_ij A_ij x_i x_j with A_ij = 2^-|i-j|: coordinates interact; x^2 for d = 1."""
    i = torch.arange(x.shape[1], dtype=x.dtype)
    return _sum(x @ 0.5 ** (i - i[:, None]).abs() * x)


def l1(x: Tensor) -> Tensor:
    """y = sum_i |x_i|."""
    return _sum(x.abs())


def sqrt(x: Tensor) -> Tensor:
    """y = sum_i sqrt|x_i|."""
    return _sum(x.abs().sqrt())


def square(x: Tensor) -> Tensor:
    """y = sum_i x_i^2: coordinates do not interact."""
    return _sum(x**2)


def cos(x: Tensor) -> Tensor:
    """y = sum_i cos(pi x_i)."""
    return _sum(torch.cos(math.pi * x))


def helix(x: Tensor) -> Tensor:
    """y = (cos 2 pi x, sin 2 pi x), d = 1."""
    return torch.cat([torch.cos(2 * math.pi * x), torch.sin(2 * math.pi * x)], dim=1)


# The intervals of cubic and cos2x are those of "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product".
TARGETS: dict[str, Target] = {
    "cubic": Target(cubic, (-2.5, 2.5), (-5.0, 5.0), only_1d=True),
    "cos2x": Target(cos2x, (-0.75 * math.pi, 0.75 * math.pi), (-1.5 * math.pi, 1.5 * math.pi), only_1d=True),
    "linear": Target(linear),
    "quadratic": Target(quadratic),
    "l1": Target(l1),
    "sqrt": Target(sqrt),
    "square": Target(square),
    "cos": Target(cos),
    "helix": Target(helix, output_dim=2, only_1d=True),
}
