"""Eigenvalues of dot-product kernels on the sphere S^(d-1) by the Funk-Hecke formula, each with its error."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from hpnets.ntk.metrics import Decay, power_law
from hpnets.theory.harmonics import multiplicity, recurrence

# A function kappa that maps t (n,) in [-1, 1] to kappa(t) (n,), float64.
Kappa = Callable[[Tensor], Tensor]

# Gauss-Legendre nodes of a panel, and the radians of the fastest cosine in a panel at first: 32 nodes integrate 16
# radians to rounding.
NODES, RADIANS = 32, 16.0
# Panels are halved until the eigenvalues stay, at most this often, as for a kernel that is not smooth inside (0, pi).
HALVINGS = 8
# Rounding is at most 2 + k/16 units of eps times the root mean square of the integrand (each step of the recurrence
# adds some); tests/theory/test_sphere.py compares this with 40 digits.
ROUNDINGS = (2.0, 1 / 16)
# A smaller relative change counts as none; see SphereSpectrum.converged.
SETTLED = 1e-10
# A share of the trace is given only if its error is below this: N(d, k) times rounding has no bound as d and k grow.
SHARE_ERROR = 1e-6


@dataclass(frozen=True)
class SphereSpectrum:
    r"""kappa(<x, x'>) = sum_k lambda_k sum_{j <= N(d,k)} Y_kj(x) Y_kj(x') for x uniform on S^(d-1), degrees k = 0..K.

    lambda_k are the eigenvalues of f -> E_x' kappa(<x, x'>) f(x'), with the mean under the uniform *probability*
    measure; the matrix (kappa(<x_i, x_j>))_ij / n of n uniform points has them in the limit of many points.

    eigenvalues, errors: (K+1,) float64; the true lambda_k is within errors[k], which is the last change of the
    quadrature plus a bound of its rounding, some eps sqrt(E kappa^2 / N(d, k)). multiplicities: N(d, k), exact. trace:
    kappa(1), which is the sum of N(d, k) lambda_k over all degrees. nodes: how many values of kappa were used.
    converged: whether the quadrature's last change is rounding, or below 1e-10 lambda_k.
    """

    dim: int
    eigenvalues: Tensor
    errors: Tensor
    multiplicities: tuple[int, ...]
    trace: float
    nodes: int
    converged: bool

    @property
    def trace_share(self) -> Tensor:
        """N(d, k) lambda_k / kappa(1), shape (K+1,): degree k's part of K(x, x); NaN where the error exceeds 1e-6."""
        counts = torch.tensor([float(n) for n in self.multiplicities], dtype=torch.float64)
        share = counts * self.normalised
        return torch.where(counts * self.errors / self.trace < SHARE_ERROR, share, math.nan)

    @property
    def normalised(self) -> Tensor:
        """lambda_k / kappa(1), shape (K+1,), which does not depend on the kernel's scale."""
        return self.eigenvalues / self.trace

    def decay(self, window: tuple[int, int], parity: int | None = None) -> Decay:
        """Fit lambda_k ~ k^-exponent over the degrees start..stop of the window, of one parity (0 even, 1 odd) or both.

        Degrees whose eigenvalue is at most ten times its error are left out, such as the zeros of a ReLU kernel; the
        fit is NaN if fewer than three remain. Raises ValueError for a window outside 1..K.
        """
        start, stop = window
        if not 1 <= start < stop < len(self.eigenvalues):
            raise ValueError(f"window is {window}; allowed: 1 <= start < stop <= {len(self.eigenvalues) - 1}, degrees")
        k = torch.arange(start, stop + 1)
        k = k[self.eigenvalues[k] > 10 * self.errors[k]]
        k = k if parity is None else k[k % 2 == parity]
        return power_law(k, self.eigenvalues[k])


def sphere_spectrum(kappa: Kappa, dim: int, k_max: int) -> SphereSpectrum:
    """The eigenvalues of the kernel kappa(<x, x'>) on the sphere in R^dim for degrees 0..k_max, by `funk_hecke`.

    `dot_product` makes kappa from a kernel of two inputs. Raises ValueError as `funk_hecke` does, and if kappa is not
    a kernel, because an eigenvalue is negative beyond its error.
    """
    values, errors, nodes, converged = funk_hecke(kappa, dim, k_max)
    worst = int((values / errors).argmin())
    if values[worst] < -2 * errors[worst]:
        raise ValueError(
            f"kappa is not positive semi-definite on the sphere in R^{dim}: its eigenvalue of degree {worst} is "
            f"{float(values[worst]):.3g}; allowed: a kernel (funk_hecke gives the coefficients of any function of t)"
        )
    trace = float(kappa(torch.ones(1, dtype=torch.float64)))
    counts = tuple(multiplicity(k, dim) for k in range(k_max + 1))
    return SphereSpectrum(dim, values, errors, counts, trace, nodes, converged)


def funk_hecke(kappa: Kappa, dim: int, k_max: int) -> tuple[Tensor, Tensor, int, bool]:
    r"""(lambda, errors, nodes, converged) of lambda_k = E_t kappa(t) P_k(t), t = <x, u> for x uniform on S^(d-1).

        lambda_k = c_d int_0^pi kappa(cos a) P_k(cos a) sin(a)^(d-2) da,   with c_d so that kappa = 1 has lambda_0 = 1

    A function f(<x, u>) is the sum of N(d, k) lambda_k P_k(<x, u>). The arc-cosine kernels have infinite derivatives in
    t at t = 1 but are smooth in the angle a, so the quadrature is over a: panels of 32 Gauss-Legendre nodes are halved
    until nothing changes.

    kappa maps t (n,) to (n,), float64. Raises ValueError for dim < 2, k_max < 0, or a kappa that gives another shape,
    NaN or Inf. Source: Atkinson and Han 2012, theorem 2.22 (Funk-Hecke).
    """
    multiplicity(k_max, dim)
    panels = math.ceil(math.pi * (k_max + dim) / RADIANS)
    values, _ = _quadrature(kappa, dim, k_max, panels)
    for _ in range(HALVINGS):
        panels *= 2
        before = values
        values, rounding = _quadrature(kappa, dim, k_max, panels)
        change = (values - before).abs()
        converged = bool((change <= rounding + SETTLED * values.abs()).all())
        if converged:
            break
    return values, change + rounding, panels * NODES, converged


def _quadrature(kappa: Kappa, dim: int, k_max: int, panels: int) -> tuple[Tensor, Tensor]:
    """lambda_k and a bound on its rounding, (K+1,) each."""
    z, w = (torch.from_numpy(a) for a in leggauss(NODES))
    edges = torch.linspace(0, math.pi, panels + 1, dtype=torch.float64)
    angle = (edges[:-1, None] + (z + 1) * (math.pi / panels / 2)).flatten()
    weight = w.repeat(panels) * angle.sin() ** (dim - 2)
    t = angle.cos()
    values, weight = _values(kappa, t), weight / weight.sum()
    # Squares of a kernel of 1e200 leave float64's range, so values are scaled, by a power of two, which costs no digit.
    size = torch.ldexp(torch.ones(()).to(values), torch.frexp(values.abs().max()).exponent)
    products = (values / size * p for p in islice(recurrence(t, dim), k_max + 1))
    sums = [(weight @ product * size, (weight @ product.square()).sqrt() * size) for product in products]
    eigenvalues, sizes = (torch.stack(column) for column in zip(*sums, strict=True))
    roundings = ROUNDINGS[0] + ROUNDINGS[1] * torch.arange(k_max + 1)
    return eigenvalues, roundings * torch.finfo(torch.float64).eps * sizes


def _values(kappa: Kappa, t: Tensor) -> Tensor:
    values = kappa(t)
    if not isinstance(values, Tensor) or values.shape != t.shape or values.dtype != torch.float64:
        result = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"kappa maps float64 ({len(t)},) to {result}; allowed: float64 of the same shape")
    if not torch.isfinite(values).all():
        raise ValueError(f"kappa is not finite at t = {float(t[~torch.isfinite(values)][0])}; allowed: all of [-1, 1]")
    return values


def dot_product(kernel: Callable[[Tensor, Tensor], Tensor], dim: int) -> Kappa:
    """kappa with kernel(x, x') = kappa(<x, x'>) on the sphere in R^dim, for a kernel from (1, d), (n, d) to (1, n).

    An example is `lambda x, y: limit_kernel(net, x, y).ntk` for a network that treats all directions alike. Raises
    ValueError for dim < 2, and if the kernel depends on more than the inner product.
    """
    multiplicity(0, dim)
    turn = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]

    def along(t: Tensor, axes: Tensor) -> Tensor:
        """The kernel between axis 0 and the points at inner products t with it, in the plane of axes 0 and 1."""
        points = t[:, None] * axes[0] + (1 - t.square()).clamp_min(0).sqrt()[:, None] * axes[1]
        return kernel(axes[:1], points).reshape(t.shape)

    def kappa(t: Tensor) -> Tensor:
        return along(t, torch.eye(dim, dtype=t.dtype))

    t = torch.linspace(-1, 1, 7, dtype=torch.float64)
    straight, turned = kappa(t), along(t, turn)
    # An arc-cosine kernel's derivative is infinite at t = 1, where a rounding of eps in t becomes one of sqrt(eps).
    if float((straight - turned).abs().max()) > 1e-6 * float(straight.abs().max()):
        raise ValueError("kernel depends on more than <x, x'> on the sphere; allowed: kernels that no rotation changes")
    return kappa
