"""Closed forms of ReLU kernels on the unit sphere as functions of t = <x, x'>: FORMULAS of the limit, by hand."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def k0(t: Tensor) -> Tensor:
    """E 1[w.x > 0] 1[w.x' > 0]."""
    return (math.pi - torch.acos(t)) / (2 * math.pi)


def k1(t: Tensor) -> Tensor:
    """E relu(w.x) relu(w.x')."""
    angle = torch.acos(t)
    return (angle.sin() + (math.pi - angle) * t) / (2 * math.pi)


def two_layer(t: Tensor) -> Tensor:
    """NTK of sqrt(2/m) v relu(W x), without biases: multiplicative degree 1."""
    return multiplicative(1)(t)


def multiplicative(degree: int) -> Callable[[Tensor], Tensor]:
    """2 [k1^N + N t k0 k1^(N-1)]."""
    return lambda t: 2 * (k1(t) ** degree + degree * t * k0(t) * k1(t) ** (degree - 1))


def skip(degree: int) -> Callable[[Tensor], Tensor]:
    """2 [k1 Q^(N-1) + t k0 Q^(N-1) + (N-1) k1 t k0 Q^(N-2)], Q = 1 + 2/sqrt(2 pi) + k1."""

    def kappa(t: Tensor) -> Tensor:
        a, b = k0(t), k1(t)
        q = 1 + 2 / math.sqrt(2 * math.pi) + b
        return 2 * ((b + t * a) * q ** (degree - 1) + (degree - 1) * b * t * a * q ** (degree - 2))

    return kappa
