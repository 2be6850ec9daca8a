"""Eigenvalues of a kernel, in float64, with the residuals that say how far to trust them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Spectrum:
    r"""Eigenvalues of a symmetric kernel, descending.

    eigenvalues: (k,) float64. residuals: (k,) float64, |K v - lambda v| / |lambda|_max for unit v. converged: every
    residual is below 1e-10. An eigenvalue below floor = eps(dtype of K) * rows * lambda_max is rounding noise.
    """

    eigenvalues: Tensor
    residuals: Tensor
    converged: bool
    floor: float


def spectrum(kernel: Tensor, k: int | None = None) -> Spectrum:
    """The k largest eigenvalues (None: all) of K (N, N) or (N, N, O, O), by a dense float64 decomposition.

    Raises ValueError if K is not a square symmetric kernel, holds NaN or Inf, or k is out of range.
    """
    matrix = as_matrix(kernel)
    rows = len(matrix)
    if k is not None and not 1 <= k <= rows:
        raise ValueError(f"k is {k}; allowed: 1 to {rows}, the rows of the kernel")
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    eigenvalues, vectors = eigenvalues.flip(0)[:k], vectors.flip(1)[:, :k]
    scale = eigenvalues.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    residuals = (matrix @ vectors - vectors * eigenvalues).norm(dim=0) / scale
    floor = torch.finfo(kernel.dtype).eps * rows * float(scale)
    return Spectrum(eigenvalues, residuals, bool((residuals < 1e-10).all()), floor)


def as_matrix(kernel: Tensor) -> Tensor:
    """K as a symmetric float64 matrix, (N, N) or (N O, N O) with sample-major rows; ValueError if it is none."""
    if kernel.ndim == 4:
        n, m, o, p = kernel.shape
        kernel = kernel.permute(0, 2, 1, 3).reshape(n * o, m * p)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"the kernel has shape {tuple(kernel.shape)}; allowed: (N, N) or (N, N, O, O)")
    matrix = kernel.double()
    if not torch.isfinite(matrix).all():
        raise ValueError("the kernel holds NaN or Inf")
    if (matrix - matrix.T).abs().max() > 1e-3 * matrix.abs().max():
        raise ValueError("the kernel is not symmetric: pass the kernel of one set of inputs with itself")
    return (matrix + matrix.T) / 2


def trace_kernel(kernel: Tensor) -> Tensor:
    """K (N, N) as it is; K (N, N, O, O) reduced to (N, N) by the sum over o of K[..., o, o]."""
    return kernel.diagonal(dim1=-2, dim2=-1).sum(-1) if kernel.ndim == 4 else kernel
