"""A low-rank factor of a kernel from one block of products, with an estimate of its error."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, as_operator, product

# Columns drawn beyond the rank (Halko, Martinsson and Tropp 2011), and fresh test vectors for the error.
OVERSAMPLING, PROBES = 10, 10


@dataclass(frozen=True)
class LowRank:
    r"""K ~ U diag(eigenvalues) U^T = factor factor^T; all float64.

    vectors: U (rows, r), orthonormal. eigenvalues: (r,), descending, >= 0; up to rounding none exceeds K's own. error:
    |K - factor factor^T|_F / |K|_F, estimated from ten fresh test vectors; the estimate's own relative uncertainty is
    some 10% for a slowly decaying remainder, and up to 25% for one that a single eigenvalue dominates. products: how
    many vectors were multiplied by K.
    """

    vectors: Tensor
    eigenvalues: Tensor
    error: float
    products: int

    @property
    def factor(self) -> Tensor:
        """F = U diag(sqrt(eigenvalues)) (rows, r), so that K ~ F F^T."""
        return self.vectors * self.eigenvalues.sqrt()


def low_rank(kernel: Tensor | SymmetricOperator, rank: int, *, seed: int = 0) -> LowRank:
    r"""The Nystrom approximation K Omega (Omega^T K Omega)^+ Omega^T K with a random Omega, truncated to `rank`.

    It is computed on K + nu I, with nu at the rounding error of K Omega, so that the core has a Cholesky factor; nu is
    subtracted from the eigenvalues again. It takes rank + 20 products. A float32 kernel of low rank is met only to some
    1e-4, as nu acts on all rows. For a power law the error is two to four times that of the best factor of this rank.

    Raises ValueError if rank is out of range, or if K is unfit or has eigenvalues well below zero.

    Source: Tropp, Yurtsever, Udell and Cevher 2017 (arXiv 1706.05736), algorithm 3.
    """
    operator = as_operator(kernel)
    rows = operator.shape[0]
    if not 1 <= rank <= rows:
        raise ValueError(f"rank is {rank}; allowed: 1 to {rows}, the rows of the kernel")
    generator = torch.Generator().manual_seed(seed)
    columns = min(rows, rank + OVERSAMPLING)
    omega = torch.linalg.qr(torch.randn(rows, columns, dtype=torch.float64, generator=generator))[0]
    omega = omega.to(operator.device)
    y = product(operator, omega)
    # The shift is the rounding error of K Omega in the operator's dtype, eps sqrt(rows) |K Omega|_F.
    nu = torch.finfo(operator.dtype).eps * rows**0.5 * float(norms(y.reshape(-1, 1)))
    y = y + nu * omega
    core = omega.T @ y
    lower, failed = torch.linalg.cholesky_ex((core + core.T) / 2)
    if failed and nu > 0:
        raise ValueError("the kernel has eigenvalues well below zero; allowed: positive semi-definite")
    if nu == 0:  # K Omega = 0, so K is zero
        return LowRank(omega[:, :rank], y.new_zeros(rank), 0.0, columns)
    # K + nu I ~ Y core^-1 Y^T = B B^T with B = Y L^-T, whose left singular vectors are the eigenvectors of B B^T.
    b = torch.linalg.solve_triangular(lower, y.T, upper=False).T
    u, s, _ = torch.linalg.svd(b, full_matrices=False)
    vectors, eigenvalues = u[:, :rank], (s.square() - nu).clamp_min(0)[:rank]
    z = torch.randn(rows, PROBES, dtype=torch.float64, generator=generator).to(operator.device)
    kz = product(operator, z)
    left = kz - vectors @ (eigenvalues[:, None] * (vectors.T @ z))
    error = float(norms(left.reshape(-1, 1)) / norms(kz.reshape(-1, 1)))
    return LowRank(vectors, eigenvalues, error, columns + PROBES)
