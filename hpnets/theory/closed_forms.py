r"""Activations whose moments over Gaussian inputs have closed forms, at variances of any size.

For Gaussian z, z' with variances v, w and covariance c, each gives E[s(z)], E[s(z) s(z')] and E[s'(z) s'(z')].
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.validate import at_least

_PI = math.pi
# Two points whose 1 - cos(angle)^2 is below this count as one point: less is rounding.
_SAME = 1e-14
# Up to this variance rounding leaves enough digits (12) of 1 - cos^2 where it is used.
_LARGE = 1e3
# Between these, products of two variances stay far from both ends of float64's range.
_ORDINARY = 1e-70, 1e70
# The largest relative error of exp(-omega^2 (v + w)/2 + omega^2 c) that rounding of its exponent may cause.
_PHASE_ERROR = 1e-8


@dataclass(frozen=True)
class LeakyReLU:
    r"""s(z) = max(z, 0) + slope min(z, 0), ReLU at slope 0, by the arc-cosine kernels of theta = angle(z, z').

        k_0 = (pi - theta) / (2 pi),   k_1 = sqrt(v w) (sin theta + (pi - theta) cos theta) / (2 pi)
        E[s s] = (1 - slope)^2 k_1 + slope c,   E[s' s'] = (1 - slope)^2 k_0 + slope

    At z' = z, where theta has a kink, the derivative of k_0 is taken as 0, which makes the derivative of K(x, x) exact.
    If v w could leave float64's range, variances are first divided by powers of four; s is homogeneous, so this changes
    no digit.
    Source: Cho and Saul 2009, "Kernel Methods for Deep Learning".
    """

    slope: float = 0.0

    def __call__(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.slope * z)

    def mean(self, v: Tensor) -> Tensor:
        positive = v > 0
        return (1 - self.slope) * torch.where(positive, torch.where(positive, v, 1).sqrt(), 0) / math.sqrt(2 * _PI)

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        if _is_ordinary(v) and _is_ordinary(w):
            return self._dual(c, v, w)
        a, b = _power_of_two(v), _power_of_two(w)
        S, D = self._dual(c / a / b, v / a / a, w / b / b)
        return S * a * b, D

    def _dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        q = v * w
        square = torch.addcmul(q, c, c, value=-1)
        apart = square > _SAME * q
        sine = torch.where(apart, square, 1.0).sqrt()
        straight = torch.where(c >= 0, c.new_full((), _PI), 0.0)
        turn = torch.where(apart, torch.atan2(sine, -c), straight)  # pi - theta
        k_0 = turn / (2 * _PI)
        k_1 = torch.addcmul(torch.where(apart, sine, 0.0), turn, c) / (2 * _PI)
        a = self.slope
        return ((1 - a) ** 2 * k_1 + a * c, (1 - a) ** 2 * k_0 + a) if a else (k_1, k_0)


def _is_ordinary(v: Tensor) -> bool:
    """Whether every variance is 0 or within _ORDINARY."""
    low, high = _ORDINARY
    return not bool(((v > 0) & (v < low) | (v > high)).any())


def _power_of_two(v: Tensor) -> Tensor:
    """A power of two near sqrt(v), 1 for v = 0, without a gradient."""
    exponent = torch.frexp(v.detach()).exponent.div(2, rounding_mode="floor")
    return torch.ldexp(torch.ones_like(v), exponent)


def _correlation(c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""(1/q, r, E, e) with q = sqrt(a b), r = c / q, E = 1 - r^2, e = (v w - c^2) / (a b), a = 1 + v, b = 1 + w.

        E = 1/a + 1/b - 1/(a b) + e

    In this form E > 0 even for one point with itself, where 1 - r^2 loses its digits once v exceeds 1e12. The rounding
    error of e there is subtracted from its value, not from its derivatives.
    """
    i, j = 1 / (1 + v), 1 / (1 + w)
    one_over_q, most = i.sqrt() * j.sqrt(), (v * i) * (w * j)
    r = c * one_over_q
    e = torch.addcmul(most, r, r, value=-1)
    if max(float(u.detach().max()) for u in (v, w)) > _LARGE:
        e = e - torch.where(e > _SAME * most, 0.0, e).detach()
    return one_over_q, r, torch.addcmul(i, 1 - i, j) + e, e


@dataclass(frozen=True)
class Erf:
    r"""s = erf: E[s s] = 2/pi asin(r), E[s' s'] = 4/pi / (q sqrt(1 - r^2)), q^2 = (1 + 2 v)(1 + 2 w), r = 2 c / q.

    Source: Williams 1997.
    """

    def __call__(self, z: Tensor) -> Tensor:
        return torch.erf(z)

    def mean(self, v: Tensor) -> None:
        return None

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        one_over_q, r, E, _ = _correlation(2 * c, 2 * v, 2 * w)
        root = E.sqrt()
        return 2 / _PI * torch.atan2(r, root), 4 / _PI * (one_over_q / root)


@dataclass(frozen=True)
class GELU:
    r"""s(z) = z Phi(z), for a = 1 + v, b = 1 + w, q = sqrt(a b), r = c / q = cos theta, E = 1 - r^2, P = E[Phi Phi']:

        P = (pi - theta) / (2 pi),   E[s s] = c P + q ((v w - c^2)/(a b) + r^2 (1/a + 1/b)) / (2 pi sqrt(E))
        E[s' s'] = P + r (1/a + 1/b + 1/(a b E)) / (2 pi sqrt(E))

    The formulas follow from Stein's lemma, applied until no factor z is left.
    """

    def __call__(self, z: Tensor) -> Tensor:
        return nn.functional.gelu(z)

    def mean(self, v: Tensor) -> Tensor:
        return v * (2 * _PI * (1 + v)).rsqrt()

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        one_over_q, r, E, e = _correlation(c, v, w)
        i, j, root = 1 / (1 + v), 1 / (1 + w), E.sqrt()
        inverse = i + j
        P = torch.atan2(root, -r) / (2 * _PI)
        # This order of operations keeps every factor in float64's range: (j / E) i, and the division by root before q.
        left = torch.addcmul(e, r * r, inverse) / (2 * _PI * root) / one_over_q
        slope = r / (2 * _PI * root) * torch.addcmul(inverse, j / E, i)
        return torch.addcmul(left, c, P), P + slope


@dataclass(frozen=True)
class Sine:
    r"""s(z) = sin(omega z): E[s s] = exp(-omega^2 (v + w)/2) sinh(omega^2 c), E[s' s'] = omega^2 E[cos cos]."""

    omega: float = 1.0

    def __call__(self, z: Tensor) -> Tensor:
        return torch.sin(self.omega * z)

    def mean(self, v: Tensor) -> None:
        return None

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        difference, total = _waves(self.omega, c, v, w)
        return (difference - total) / 2, self.omega**2 * (difference + total) / 2


@dataclass(frozen=True)
class Cosine:
    r"""s(z) = cos(omega z): E[s] = exp(-omega^2 v/2), E[s s] = exp(-omega^2 (v + w)/2) cosh(omega^2 c)."""

    omega: float = 1.0

    def __call__(self, z: Tensor) -> Tensor:
        return torch.cos(self.omega * z)

    def mean(self, v: Tensor) -> Tensor:
        return torch.exp(-(self.omega**2) * v / 2)

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        difference, total = _waves(self.omega, c, v, w)
        return (difference + total) / 2, self.omega**2 * (difference - total) / 2


def _waves(omega: float, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """E cos(omega (z - z')) and E cos(omega (z + z')), two exponentials, since sinh and cosh would overflow.

    Raises ValueError for variances so large that rounding of the exponents costs more than _PHASE_ERROR.
    """
    largest = max(float(u.detach().max()) for u in (v, w))
    error = omega**2 * largest * torch.finfo(torch.float64).eps
    if not error <= _PHASE_ERROR:
        raise ValueError(
            f"a wave of frequency {omega:g} at a variance of {largest:.3g} leaves a relative error of {error:.1e}; "
            f"allowed: {_PHASE_ERROR:.0e}: smaller points or weights"
        )
    mean = (v + w) / 2
    return torch.exp(omega**2 * (c - mean)), torch.exp(-(omega**2) * (c + mean))


@dataclass(frozen=True)
class Monomial:
    r"""s(z) = z^q: E[s s] = sum_j b_j^2 j! c^j (v w)^((q-j)/2) over j = q, q-2, .., b_j = binom(q, j) (q-j-1)!!."""

    q: int

    def __post_init__(self) -> None:
        at_least("q", self.q, 1)

    def __call__(self, z: Tensor) -> Tensor:
        return z**self.q

    def mean(self, v: Tensor) -> Tensor | None:
        return None if self.q % 2 else _odd_factorial(self.q - 1) * v ** (self.q // 2)

    def dual(self, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        S, D = torch.zeros_like(c), torch.zeros_like(c)
        for j in range(self.q % 2, self.q + 1, 2):
            b = math.comb(self.q, j) * _odd_factorial(self.q - j - 1)
            factor = b**2 * math.factorial(j) * (v * w) ** ((self.q - j) // 2)
            S = S + factor * c**j
            D = D + factor * j * c ** (j - 1) if j else D
        return S, D


def _odd_factorial(n: int) -> int:
    """n!! for odd n, 1 for n = -1."""
    return math.prod(range(n, 0, -2))
