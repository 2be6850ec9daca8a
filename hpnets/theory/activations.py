r"""Activations between infinitely wide layers, in closed form where there is one, else by quadrature.

For Gaussian z, z' with variances v, w and covariance c, each gives E[s(z)], E[s(z) s(z')] and E[s'(z) s'(z')].
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from hpnets.theory.closed_forms import GELU, Cosine, Erf, LeakyReLU, Monomial, Sine
from hpnets.theory.moments import Moments
from hpnets.theory.quadrature import Quadrature


class Activation(Protocol):
    """A function s of a Gaussian z, and its moments."""

    def __call__(self, z: Tensor) -> Tensor: ...

    def mean(self, v: Tensor) -> Tensor | None:
        """E[s(z)]; None if it is 0 for every v."""
        ...

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """E[s(z) s(z')] and E[s'(z) s'(z')]."""
        ...


_BY_NAME: dict[str, Activation] = {
    "relu": LeakyReLU(),
    "erf": Erf(),
    "gelu": GELU(),
    "sin": Sine(),
    "cos": Cosine(),
    "square": Monomial(2),
    "cube": Monomial(3),
    "tanh": Quadrature(torch.tanh),
    "sigmoid": Quadrature(torch.sigmoid),
    "silu": Quadrature(nn.functional.silu),
}


def find_activation(s: "str | Callable[[Tensor], Tensor]") -> Activation | None:
    """The activation for a name, a torch module, or any callable (by quadrature); None for the identity.

    Raises ValueError for an unknown name.
    """
    if isinstance(s, nn.Identity) or s == "none":
        return None
    if isinstance(s, nn.LeakyReLU):
        return LeakyReLU(s.negative_slope)
    if isinstance(s, nn.GELU):
        return GELU() if s.approximate == "none" else Quadrature(s)
    if isinstance(s, str | nn.ReLU):
        name = "relu" if isinstance(s, nn.ReLU) else s
        if name not in _BY_NAME:
            raise ValueError(f"activation is {name!r}; allowed: none, {', '.join(_BY_NAME)}, or any callable")
        return _BY_NAME[name]
    return s if hasattr(s, "dual") else Quadrature(s)  # type: ignore[return-value]


def check_gaussian(h: Moments, s: "str | Callable[[Tensor], Tensor]") -> None:
    """Raise ValueError for features that no activation s can follow."""
    if not h.gaussian:
        raise ValueError(
            f"{s if isinstance(s, str) else type(s).__name__} of features that are not Gaussian has no limit in closed "
            "form: they are inputs, products, sums with what has passed an activation, or a first layer of uniform "
            "weights or biases; allowed: a dense layer or convolution before it, or activation 'none'"
        )


def activation(h: Moments, s: "str | Callable[[Tensor], Tensor]") -> Moments:
    r"""The moments of s(h) for a Gaussian layer h: S <- E[s(z) s(z')], T <- T E[s'(z) s'(z')], and the mean E[s(z)].

    s: "none", "relu", "erf", "gelu", "sin", "cos", "square", "cube", "tanh", "sigmoid", "silu"; LeakyReLU(slope),
    Sine(omega), Cosine(omega), Monomial(q), Quadrature(callable, tolerance); a torch module; or any callable.

    Raises ValueError for an unknown name, features that are not Gaussian, or a quadrature that is not accurate.
    """
    function = find_activation(s)
    if function is None:
        return h
    check_gaussian(h, s)
    v_1, v_2 = h.variances
    S, D = function.dual(h.S, v_1[:, None, :, None], v_2[None, :, None, :])
    S_1, S_2 = (function.dual(own, v[:, :, None], v[:, None, :])[0] for own, v in ((h.S_1, v_1), (h.S_2, v_2)))
    m_1, m_2 = function.mean(v_1), function.mean(v_2)
    mean = None if m_1 is None or m_2 is None else (m_1, m_2)
    return Moments(S, h.T * D, S_1, S_2, mean, h.grid, sources=h.sources)
