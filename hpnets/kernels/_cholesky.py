"""Cholesky factors of covariances, with the jitter that a rank-deficient one needs."""

from typing import NamedTuple

import torch
from torch import Tensor

# The most that is added to a diagonal, relative to its scale; what needs more is no covariance.
LARGEST_JITTER = 1e-6


class Factor(NamedTuple):
    """L (n, n) with L L^T = matrix + jitter I, float64."""

    L: Tensor
    jitter: float


def jittered_cholesky(matrix: Tensor, scale: float | None = None) -> Factor:
    """The Cholesky factor of a covariance (n, n), with the least jitter of 0, r, 10 r, 100 r, .. with which it exists.

    r = n eps scale, the rounding of a matrix whose terms are of size `scale`; None means the greatest variance. Raises
    ValueError if the matrix holds NaN or Inf, or is not positive semi-definite even with a jitter of 1e-6 scale.
    """
    matrix = matrix.double()
    if not torch.isfinite(matrix).all():
        raise ValueError("the covariance holds NaN or Inf; allowed: finite numbers")
    size = float(matrix.diagonal().abs().max()) if scale is None else scale
    if size == 0 and not bool(matrix.any()):
        return Factor(torch.zeros_like(matrix), 0.0)
    jitter, step = 0.0, len(matrix) * torch.finfo(torch.float64).eps * size
    while jitter <= LARGEST_JITTER * size:
        L, info = torch.linalg.cholesky_ex(matrix + jitter * torch.eye(len(matrix)).to(matrix))
        if int(info) == 0:
            return Factor(L, jitter)
        jitter = 10 * jitter if jitter else step
    raise ValueError(
        f"the covariance is not positive semi-definite: a jitter of {LARGEST_JITTER:g} times its scale, {size:.3g}, "
        "does not mend it; allowed: the kernel of one set of points with itself"
    )
