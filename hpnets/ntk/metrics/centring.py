"""A kernel without the mean direction, which may hold nearly all of the squared norm of a trace kernel."""

import torch
from torch import Tensor


def centred_kernel(kernel: Tensor) -> Tensor:
    r"""B^T K B, (N-1, N-1), or (N-1, N-1, O, O) for each pair of outputs, float64, B (N, N-1) an orthonormal basis.

    The columns of B span what is orthogonal to 1, so that B B^T = H = I - 11^T/N, and the result has the eigenvalues of
    HKH but for the 0 of the mean direction, and the same norms and inner products. So its least eigenvalue and its
    condition say something. Raises ValueError for a kernel of fewer than 2 samples.
    """
    n = len(kernel)
    if n < 2:
        raise ValueError(f"the kernel has {n} samples; allowed: >= 2, of which one is left without the mean")
    B = _contrasts(n).to(kernel.device)
    return torch.einsum("na,nm...,mb->ab...", B, kernel.double(), B)


def _contrasts(n: int) -> Tensor:
    """Helmert's basis (n, n - 1) of the vectors of sum 0: column k - 1 is (1, .., 1, -k, 0, ..) / sqrt(k (k + 1))."""
    k, row = torch.arange(1, n, dtype=torch.float64), torch.arange(n)[:, None]
    return ((row < k).double() - k * (row == k)) / (k * (k + 1)).sqrt()
