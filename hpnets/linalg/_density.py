"""The eigenvalue density of a kernel by stochastic Lanczos quadrature, with a band that says how far to trust it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, as_operator, product

# As many test vectors share their products as keep their Lanczos vectors within this many bytes.
BASIS_BYTES = 2**29
# Grid points of a curve; how many default bandwidths span the eigenvalues; half the band's width in standard errors.
POINTS, BANDWIDTHS, STANDARD_ERRORS = 256, 40, 2.0
# A change of the cumulative share below this would not show in a curve.
NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class Density:
    r"""phi(t) = (1/rows) sum_i N(t; lambda_i, bandwidth^2), estimated at `grid` (points,); float64, on the CPU.

    density, lower, upper: per unit of the grid. The band is two standard errors over the test vectors (about 95%); it
    covers the randomness of these vectors, not the broadening. cumulative, cumulative_lower, cumulative_upper: the
    share of eigenvalues up to each grid point, equally broadened. moments, moment_errors (3,): the means of lambda,
    lambda^2, lambda^3 and their standard errors, without broadening. log: whether the grid is log10 lambda, with the
    bandwidth in decades. residual: the largest change of `cumulative` from half of the Lanczos steps to all of them.
    converged: whether the residual is within the band, so that more test vectors, not more steps, sharpen the curve.
    products: how many vectors were multiplied by K.
    """

    grid: Tensor
    density: Tensor
    lower: Tensor
    upper: Tensor
    cumulative: Tensor
    cumulative_lower: Tensor
    cumulative_upper: Tensor
    moments: Tensor
    moment_errors: Tensor
    bandwidth: float
    log: bool
    residual: float
    converged: bool
    products: int


def density(
    kernel: Tensor | SymmetricOperator,
    *,
    vectors: int = 16,
    steps: int = 64,
    bandwidth: float | None = None,
    log: bool = False,
    seed: int = 0,
) -> Density:
    r"""The density of all eigenvalues of K (N, N), (N, N, O, O) or an operator, from vectors * steps products.

    For a random unit vector z, z^T f(K) z = sum_j w_j f(theta_j) approximately: theta_j are the eigenvalues of the
    tridiagonal matrix T of `steps` Lanczos steps from z, w_j the squared first entries of its eigenvectors. The mean
    over z is tr f(K) / rows. vectors: how many test vectors z are drawn. bandwidth: that of the Gaussian, in the grid's
    units; None means 1/40 of the span. log: use a grid of log10 lambda; eigenvalues below eps(dtype of K) * rows *
    lambda_max are counted at that floor. Small eigenvalues need many steps (several hundred for a span of eight
    decades); `converged` says whether there were enough.

    Raises ValueError for fewer than 2 vectors or steps, a bandwidth that is not positive, or an unfit kernel.

    Source: Ubaru, Chen and Saad 2017, SIAM J. Matrix Anal. Appl. 38(4); Lin, Saad and Yang 2016 (arXiv 1308.5467).
    """
    for name, value in (("vectors", vectors), ("steps", steps)):
        if value < 2:
            raise ValueError(f"{name} is {value}; allowed: >= 2")
    if bandwidth is not None and not bandwidth > 0:
        raise ValueError(f"bandwidth is {bandwidth}; allowed: > 0")
    operator = as_operator(kernel)
    rows = operator.shape[0]
    steps = min(steps, rows)
    z = torch.randn(rows, vectors, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    z = (z / z.norm(dim=0)).to(operator.device)
    chunk = max(1, BASIS_BYTES // (8 * rows * steps))
    t = torch.cat([tridiagonal(operator, part, steps) for part in z.split(chunk, dim=1)]).cpu()
    # With as many steps as rows the quadrature is exact, so there is no residual.
    half = t if steps == rows else t[:, : steps // 2, : steps // 2]
    return _density(t, half, torch.finfo(operator.dtype).eps * rows, bandwidth, log, vectors * steps)


def _density(t: Tensor, half: Tensor, eps: float, bandwidth: float | None, log: bool, products: int) -> Density:
    """The curves of the tridiagonal matrices T (vectors, steps, steps), and their change from `half`, a part of T."""
    theta, w = gauss(t)
    moments = torch.stack([(w * theta**p).sum(1) for p in (1, 2, 3)], dim=1)
    scale = float(theta.abs().max())
    floor = max(eps * scale, torch.finfo(w.dtype).tiny) if log else None
    nodes = _axis(theta, floor)
    low, high = float(nodes.min()), float(nodes.max())
    # A kernel with one eigenvalue has no span; its own size stands in for it.
    bandwidth = bandwidth or (high - low or scale or 1.0) / BANDWIDTHS
    grid = torch.linspace(low - 4 * bandwidth, high + 4 * bandwidth, POINTS, dtype=torch.float64)
    curve, below = _broaden(grid, nodes, w, bandwidth)
    middle, lower, upper = _band(curve)
    share, share_lower, share_upper = _band(below)
    theta, w = gauss(half)
    residual = float((share - _broaden(grid, _axis(theta, floor), w, bandwidth)[1].mean(0)).abs().max())
    converged = residual <= max(float((share_upper - share).max()), NEGLIGIBLE)
    return Density(
        grid, middle, lower, upper, share, share_lower, share_upper.clamp_max(1),
        moments.mean(0), _standard_error(moments), bandwidth, log, residual, converged, products,
    )  # fmt: skip


def tridiagonal(operator: SymmetricOperator, z: Tensor, steps: int) -> Tensor:
    """T (vectors, steps, steps) from unit starts z (rows, vectors), one Lanczos recurrence for each, side by side.

    Each new vector is made orthogonal, twice, to all earlier ones of its start: lost orthogonality repeats eigenvalues.
    A recurrence whose Krylov space is exhausted goes on with zeros, whose nodes have no weight.
    """
    rows, vectors = z.shape
    basis = torch.zeros(steps, rows, vectors, dtype=torch.float64, device=operator.device)
    t = torch.zeros(vectors, steps, steps, dtype=torch.float64, device=operator.device)
    for j in range(steps):
        basis[j] = z
        u = product(operator, z)
        t[:, j, j] = (z * u).sum(0)
        known = basis[: j + 1]
        size = norms(u)
        for _ in range(2):
            u = u - torch.einsum("jrp,jp->rp", known, torch.einsum("jrp,rp->jp", known, u))
        beta = norms(u)
        # What is left below this is rounding: the Krylov space is exhausted, and a further vector would be noise.
        beta = torch.where(beta > 1e-12 * size, beta, 0)
        if j + 1 < steps:
            t[:, j, j + 1] = t[:, j + 1, j] = beta
        z = torch.where(beta > 0, u / beta, 0)
    return t


def gauss(t: Tensor) -> tuple[Tensor, Tensor]:
    """The quadrature's nodes and weights (vectors, steps): T's eigenvalues, its eigenvectors' squared first entries."""
    theta, s = torch.linalg.eigh(t)
    return theta, s[:, 0].square()


def _axis(theta: Tensor, floor: float | None) -> Tensor:
    return theta if floor is None else theta.clamp_min(floor).log10()


def _broaden(grid: Tensor, theta: Tensor, w: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """(vectors, points) each: the weighted sum of Gaussians at the nodes, and its integral up to the grid point."""
    u = (grid - theta[..., None]) / bandwidth
    gaussian = (-u.square() / 2).exp() / (bandwidth * (2 * torch.pi) ** 0.5)
    return torch.einsum("pj,pjg->pg", w, gaussian), torch.einsum("pj,pjg->pg", w, torch.special.ndtr(u))


def _standard_error(samples: Tensor) -> Tensor:
    return samples.std(0) / len(samples) ** 0.5


def _band(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean over the test vectors, and the band around it, cut at 0 below."""
    mean, half = samples.mean(0), STANDARD_ERRORS * _standard_error(samples)
    return mean, (mean - half).clamp_min(0), mean + half
