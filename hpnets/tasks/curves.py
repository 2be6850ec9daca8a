r"""Two closed curves on the unit sphere and their geometry: speed, curvature, separation."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from hpnets.validate import at_least, finite, one_of, require

# Parameters t (n,) of [0, 2 pi), float64, to points (n, d) of the unit sphere.
Curve = Callable[[Tensor], Tensor]
Points = tuple[Tensor, Tensor]
# Curves nearer than this angle meet: it is what float32 tells apart.
MEET = 1e-5
# Points of each curve among which the nearest pairs are looked for, and how many of these are refined.
GRID, NEAREST = 1024, 8


class Curves(NamedTuple):
    """The two curves, of class 0 and 1."""

    first: Curve
    second: Curve


def even_parameters(n: int, phase: float = 0.0) -> Tensor:
    """t_i = 2 pi (i + phase) / n, i = 0..n-1, (n,) float64."""
    return 2 * math.pi * (torch.arange(at_least("n", n, 1), dtype=torch.float64) + phase) / n


def even_points(curves: Curves, n: int, phase: float = 0.0) -> Points:
    """n points of each curve at even parameters: x (2n, d) float64, and labels (2n,) int64, 0 then 1."""
    return _labelled([curve(even_parameters(n, phase)) for curve in curves])


def random_points(curves: Curves, n: int, generator: torch.Generator) -> Points:
    """n points of each curve at uniform parameters: x (2n, d) float64, and labels (2n,) int64, 0 then 1."""
    t = 2 * math.pi * torch.rand(2, at_least("n", n, 1), generator=generator, dtype=torch.float64)
    return _labelled([curve(part) for curve, part in zip(curves, t, strict=True)])


def _labelled(x: list[Tensor]) -> Points:
    return torch.cat(x), torch.arange(2).repeat_interleave(len(x[0]))


def sinusoid(separation: float, amplitude: float, frequency: int) -> Curves:
    """(r cos t, r sin t, z) with z = +-separation / 2 + amplitude sin(frequency t), r = sqrt(1 - z^2), in R^3.

    Raises ValueError where |z| reaches 1.
    """
    half = finite("separation", separation) / 2
    size = abs(half) + abs(finite("amplitude", amplitude))
    waves = at_least("frequency", frequency, 1)
    require(size < 1, "separation / 2 + amplitude", size, "< 1, so that the curves are on the sphere")

    def curve(t: Tensor, offset: float) -> Tensor:
        z = offset + amplitude * torch.sin(waves * t)
        r = (1 - z.square()).sqrt()
        return torch.stack([r * t.cos(), r * t.sin(), z], 1)

    return Curves(lambda t: curve(t, half), lambda t: curve(t, -half))


def coaxial(separation: float) -> Curves:
    """The circles z = +-separation / 2 in R^3."""
    return sinusoid(separation, 0.0, 1)


def fourier(degree: int, separation: float, seed: int, dim: int = 10) -> Curves:
    r"""A random trigonometric curve, and itself plus `separation` in each coordinate, both projected to the sphere.

        c(t) = sum_{k=1}^D a_k cos(k t) + b_k sin(k t) in R^d;   x(t) = c / |c|,   x'(t) = (c + Delta) / |c + Delta|

    a, b are uniform in [-1, 1], each coordinate's divided by the sum of their sizes, so that c is within [-1, 1]^d.
    """
    shape = 2, at_least("degree", degree, 1), at_least("dim", dim, 3)
    generator = torch.Generator().manual_seed(at_least("seed", seed, 0))
    coefficients = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
    a, b = coefficients / coefficients.abs().sum((0, 1))
    k, offset = torch.arange(1, degree + 1, dtype=torch.float64), finite("separation", separation)

    def curve(t: Tensor, shift: float) -> Tensor:
        c = (t[:, None] * k).cos() @ a + (t[:, None] * k).sin() @ b + shift
        return c / c.norm(dim=1, keepdim=True)

    return Curves(lambda t: curve(t, 0.0), lambda t: curve(t, offset))


def make_curves(
    name: str,
    separation: float | None = None,
    amplitude: float = 0.35,
    frequency: int = 6,
    degree: int = 10,
    seed: int = 0,
) -> Curves:
    """The curves "coaxial", "sinusoid" or "fourier"; separation None is 0.1, 0.24 or 1 / (2 degree).

    Raises ValueError for an unknown name, a value that is not allowed, and curves that meet.
    """
    usual = {"coaxial": 0.1, "sinusoid": 0.24, "fourier": 1 / (2 * at_least("degree", degree, 1))}
    apart = usual[one_of("curve", name, usual)] if separation is None else separation
    if name == "fourier":
        curves = fourier(degree, apart, seed)
    else:
        curves = sinusoid(apart, amplitude, frequency) if name == "sinusoid" else coaxial(apart)
    angle = least_angle(curves)
    require(angle > MEET, "separation", apart, f"one at which the curves do not meet; their least angle is {angle:.2g}")
    return curves


def speed(curve: Curve, t: Tensor) -> Tensor:
    """|dx/dt| at the parameters t (n,): a point's share of the length, up to a factor, where t is even."""
    return _derivatives(curve, t)[0].norm(dim=1)


def curvature(curve: Curve, t: Tensor) -> Tensor:
    r"""The curvature in R^d at the parameters t (n,), which is at least 1 on the unit sphere.

    kappa = sqrt(|x'|^2 |x''|^2 - <x', x''>^2) / |x'|^3
    """
    v, a = _derivatives(curve, t)
    square = v.square().sum(1) * a.square().sum(1) - (v * a).sum(1).square()
    return square.clamp_min(0).sqrt() / v.norm(dim=1) ** 3


def least_angle(curves: Curves) -> float:
    """The least angle between a point of the one curve and one of the other, in radians.

    The nearest pairs of a grid are refined by least squares on x(s) - x'(t), so that curves that cross have angle 0.
    """
    t = even_parameters(GRID)
    apart = torch.cdist(curves.first(t), curves.second(t))
    columns = apart.argmin(1)
    rows = apart.amin(1).argsort()[:NEAREST]
    distance = min(_refined(curves, float(t[i]), float(t[columns[i]])) for i in rows)
    return 2 * math.asin(min(1.0, distance / 2))


def _refined(curves: Curves, s: float, t: float) -> float:
    def difference(at: list[float]) -> Tensor:
        x, y = (curve(torch.as_tensor(at[i : i + 1], dtype=torch.float64)) for i, curve in enumerate(curves))
        return (x - y)[0]

    solved = least_squares(lambda at: difference(at).numpy(), [s, t], xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return float(difference(solved.x).norm())


def _derivatives(curve: Curve, t: Tensor) -> tuple[Tensor, Tensor]:
    """dx/dt and d^2x/dt^2 (n, d): each point depends on its own t alone, so one tangent serves all."""
    one = torch.ones_like(t)

    def velocity(s: Tensor) -> Tensor:
        return torch.func.jvp(curve, (s,), (one,))[1]

    v, a = torch.func.jvp(velocity, (t,), (one,))[:2]
    return v, a
