"""Kernel regression by products alone: (K + ridge I) x = b by preconditioned conjugate gradients."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hpnets.linalg._low_rank import LowRank, low_rank
from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, as_operator, product

# The rank of the preconditioner that "nystrom" makes; for another rank, pass a LowRank.
RANK = 64


@dataclass(frozen=True)
class Solution:
    """The solution of (K + ridge I) x = b, in float64.

    x: shaped as b. residual: |b - (K + ridge) x| / |b| of each right-hand side (k,), from a fresh product. iterations:
    the products with K that the slowest right-hand side took, without those of the preconditioner. converged: whether
    every residual is at most the tolerance. That bounds the residual, not the error of x: with l_min the least
    eigenvalue of K, |error| <= residual |b| / (l_min + ridge), and |error| / |x| is at most residual (l_1 + ridge) /
    (l_min + ridge).
    """

    x: Tensor
    residual: Tensor
    iterations: int
    converged: bool


def solve(
    kernel: Tensor | SymmetricOperator,
    b: Tensor,
    *,
    ridge: float,
    preconditioner: Literal["nystrom"] | LowRank | None = "nystrom",
    tol: float = 1e-6,
    max_iterations: int = 1000,
    seed: int = 0,
) -> Solution:
    r"""Solve (K + ridge I) x = b for b (rows,) or (rows, k) by conjugate gradients for each column, side by side.

    "nystrom" preconditions with P^-1 = (l_r + ridge) U (L + ridge)^-1 U^T + (I - U U^T), where U L U^T is a low-rank
    factor of K (of 64 columns, or the one given); the condition number falls from l_1 / ridge to about l_r / ridge. The
    iteration stops when the recurrence's residuals are at most tol |b|; then the true residuals are computed. With
    float32 products these stay above about 1e-7 |K| |x| / |b|, and `converged` shows it.

    tol bounds the residual |b - (K + ridge) x| / |b|, not the error of x, which is at most residual |b| / ridge: if
    (l_1 + ridge) / ridge is 1e8, tol=1e-6 leaves x wrong by tens of percent along K's smallest eigenvectors, though K x
    is right within tol |b|. For p digits of x itself, use tol <= 10^-p ridge |x| / |b|, in float64.

    Raises ValueError for a ridge below zero, a b of another length or with NaN, or an unfit kernel.

    Source: Frangella, Tropp and Udell 2021 (arXiv 2110.02820), section 5.
    """
    operator = as_operator(kernel)
    rows = operator.shape[0]
    if not ridge >= 0:
        raise ValueError(f"ridge is {ridge}; allowed: >= 0")
    if b.ndim not in (1, 2) or len(b) != rows or b.numel() == 0 or not torch.isfinite(b).all():
        raise ValueError(f"b has shape {tuple(b.shape)}; allowed: ({rows},) or ({rows}, k), without NaN or Inf")
    for name, value in (("tol", tol), ("max_iterations", max_iterations)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; allowed: > 0")
    if preconditioner == "nystrom":
        preconditioner = low_rank(operator, min(RANK, rows), seed=seed)
    elif not (preconditioner is None or isinstance(preconditioner, LowRank)):
        raise ValueError(f"preconditioner is {preconditioner!r}; allowed: 'nystrom', a LowRank, or None")
    elif preconditioner is not None and len(preconditioner.vectors) != rows:
        raise ValueError(f"preconditioner has {len(preconditioner.vectors)} rows; allowed: {rows}, those of the kernel")
    right = b.reshape(rows, -1).to(operator.device, torch.float64)
    size = norms(right)
    # The recurrence squares its vectors, so they are scaled to about 1, by a power of two, which costs no digit.
    scale = torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent)
    x, iterations = _conjugate_gradients(operator, right / scale, ridge, preconditioner, tol, max_iterations)
    x = x * scale
    residual = norms(right - product(operator, x) - ridge * x) / torch.where(size > 0, size, 1)
    return Solution(x.reshape(b.shape), residual, iterations, bool((residual <= tol).all()))


def _conjugate_gradients(
    operator: SymmetricOperator, b: Tensor, ridge: float, factor: LowRank | None, tol: float, max_iterations: int
) -> tuple[Tensor, int]:
    """The textbook recurrence on all columns at once; a column that has converged leaves the block."""
    x, r = torch.zeros_like(b), b.clone()
    z = _precondition(factor, r, ridge)
    p, rz, bound = z.clone(), (r * z).sum(0), tol * b.norm(dim=0)
    active = (r.norm(dim=0) > bound).nonzero().flatten()
    iterations = 0
    while len(active) and iterations < max_iterations:
        iterations += 1
        search = p[:, active]
        kp = product(operator, search) + ridge * search
        curvature = (search * kp).sum(0)
        # A singular system has directions without curvature, along which a step would be infinite.
        step = torch.where(curvature > 0, rz[active] / curvature, 0)
        x[:, active] += step * search
        r[:, active] -= step * kp
        z = _precondition(factor, r[:, active], ridge)
        after = (r[:, active] * z).sum(0)
        p[:, active] = z + after / rz[active] * search
        rz[active] = after
        active = active[(r[:, active].norm(dim=0) > bound[active]) & (step > 0)]
    return x, iterations


def _precondition(factor: LowRank | None, r: Tensor, ridge: float) -> Tensor:
    """P^-1 r; a ridge below the rounding of the largest eigenvalue is replaced by that rounding."""
    if factor is None:
        return r
    u, l = factor.vectors, factor.eigenvalues
    shift = max(ridge, torch.finfo(l.dtype).eps * len(u) * float(l[0]))
    if shift == 0:
        return r
    inside = u.T @ r
    return r + u @ (((l[-1] + shift) / (l + shift) - 1)[:, None] * inside)
