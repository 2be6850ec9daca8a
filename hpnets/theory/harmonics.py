"""Harmonics on the sphere S^(d-1) in R^d: their number, zonal harmonics, and a sampled function's part of a degree."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from hpnets.validate import at_least, require, require_shape

# The norm of a float32 unit vector is off by some 1e-7; that of an input never normalised, by far more than this.
OFF_SPHERE = 1e-4
# Rows of a tile of the n x n table of <x_i, x_j>: 1,024 rows of 10,000 columns are 80 MB.
TILE_ROWS = 1024


def multiplicity(k: int, dim: int) -> int:
    r"""N(d, k) = C(k+d-1, d-1) - C(k+d-3, d-1), the number of independent harmonics of degree k in R^d, exact.

    Raises ValueError for k < 0 or dim < 2. Source: Atkinson and Han 2012, Spherical Harmonics, eq. 2.10.
    """
    k, dim = at_least("k", k, 0), at_least("dim", dim, 2)
    return math.comb(k + dim - 1, dim - 1) - (math.comb(k + dim - 3, dim - 1) if k > 1 else 0)


def zonal_harmonics(t: Tensor, dim: int, k_max: int) -> Tensor:
    r"""P_0(t) .. P_K(t), shape (K+1, *t.shape): Gegenbauer polynomials of index (d-2)/2, scaled to P_k(1) = 1.

        (k+d-2) P_{k+1} = (2k+d-2) t P_k - k P_{k-1},   P_0 = 1,   P_1 = t

    The recurrence is stable for |t| <= 1, where |P_k| <= 1, and differentiable in t. d = 2 gives Chebyshev's
    polynomials, d = 3 Legendre's. For x, x' uniform on the sphere they are orthogonal in t = <x, x'>, and the mean of
    P_k^2 is 1 / N(d, k). Raises ValueError for k_max < 0 or dim < 2. Source: Atkinson and Han 2012, eq. 2.86.
    """
    multiplicity(k_max, dim)
    return torch.stack(list(islice(recurrence(t, dim), k_max + 1)))


def recurrence(t: Tensor, dim: int) -> Iterator[Tensor]:
    """Yield P_0(t), P_1(t), ... without end, with three of them in memory at a time; see `zonal_harmonics`."""
    before, p, k = torch.ones_like(t), t, 1
    yield before
    while True:
        yield p
        before, p, k = p, ((2 * k + dim - 2) * t * p - k * before) / (k + dim - 2), k + 1


def check_on_sphere(x: Tensor, name: str = "x") -> Tensor:
    """x (N, d) in float64 with the rounding of its norms removed; ValueError unless its rows have norm 1."""
    fits = x.ndim == 2 and x.shape[1] >= 2 and len(x) > 0
    require_shape(fits, name, x, "(N, d) with N >= 1 and d >= 2")
    norms = x.double().norm(dim=1, keepdim=True)
    if not bool(((norms - 1).abs() <= OFF_SPHERE).all()):
        low, high = float(norms.min()), float(norms.max())
        raise ValueError(
            f"{name} has norms from {low:.4g} to {high:.4g}; allowed: 1, points on the unit sphere: divide {name} by "
            f"{name}.norm(dim=1, keepdim=True)"
        )
    return x.double() / norms


def zonal_coefficients(values: Tensor, x: Tensor, direction: Tensor, degrees: Sequence[int]) -> Tensor:
    r"""The coefficients a (D, O), float64, of the least squares fit values_i ~ sum_k a_k P_k(<x_i, u>) over degrees k.

    values: a function or residual (N, O) at points x (N, d) on the sphere. direction: u (d,), of norm 1. If the
    function is such a sum, a is exact at any points. Whatever is not such a sum acts as noise: a part of mean square
    s^2 that is independent of the P_k changes a_k by about s sqrt(N(d, k) / N), so high degrees need many points.

    Raises ValueError for points off the sphere, values of another length, or more degrees than points.
    """
    x, u = check_on_sphere(x), check_on_sphere(direction[None], "direction")[0]
    _check_values(values, len(x))
    alike = len(set(degrees)) < len(degrees) or not all(isinstance(k, int) for k in degrees)
    fits = not alike and 1 <= len(degrees) <= len(x) and min(degrees) >= 0
    require(fits, "degrees", tuple(degrees), f"1 to {len(x)} (the points) different integers >= 0")
    design = zonal_harmonics((x @ u.to(x)).clamp(-1, 1), x.shape[1], max(degrees))[list(degrees)].T
    # Columns are scaled to equal length: those of high degrees are tiny, and lstsq would take them for rounding.
    size = design.norm(dim=0)
    return torch.linalg.lstsq(design / size, values.to(design)).solution / size[:, None]


def degree_energy(values: Tensor, x: Tensor, k_max: int) -> Tensor:
    r"""E_k (K+1, O), float64: an unbiased estimate of the mean square of a function's degree-k part, from N points.

        E_k = N(d, k) / (N (N-1)) sum_{i != j} v_i v_j P_k(<x_i, x_j>)

    values: (N, O) at points x (N, d) on the sphere. For uniform x_i the expectation is |f_k|^2, where f_k is the
    projection on all harmonics of degree k; the standard error is about |f|^2 sqrt(2 N(d, k)) / N, so E_k can be below
    0. The sum of |f_k|^2 over all k is |f|^2.

    Raises ValueError for points off the sphere, values of another length, fewer than 2 points or k_max < 0.
    Source: addition theorem, Atkinson and Han 2012, eq. 2.24.
    """
    x = check_on_sphere(x)
    n, dim = x.shape
    multiplicity(k_max, dim)
    _check_values(values, n, least=2)
    v = values.to(x)
    sums = torch.zeros(k_max + 1, v.shape[1], dtype=v.dtype, device=v.device)
    for rows in torch.arange(n, device=x.device).split(TILE_ROWS):
        t = (x[rows] @ x.T).clamp(-1, 1)
        for k, p in enumerate(islice(recurrence(t, dim), k_max + 1)):
            sums[k] += (v[rows] * (p @ v)).sum(0)
    counts = torch.tensor([float(multiplicity(k, dim)) for k in range(k_max + 1)]).to(v)
    energy = counts[:, None] * (sums - v.square().sum(0)) / (n * (n - 1))
    if not torch.isfinite(energy).all():
        raise ValueError(f"values is of size {float(v.abs().max()):.3g}; allowed: numbers whose squares float64 holds")
    return energy


def _check_values(values: Tensor, points: int, least: int = 1) -> None:
    """Raise ValueError unless values are finite and of shape (points, O), with at least `least` points."""
    fits = values.ndim == 2 and len(values) == points >= least and bool(torch.isfinite(values).all())
    rows = f"({points}, O), one row a point, of {least} or more, without NaN or Inf"
    require_shape(fits, "values", values, rows)
