"""phi(K) B for a symmetric kernel by products alone: the Lanczos approximation of a matrix function."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, product

# Every so many steps T is decomposed, to see whether phi(T) e_1 has settled; at each step that would cost too much.
CHECK_EVERY = 5


@dataclass(frozen=True)
class MatrixFunction:
    """An approximation of phi(K) B, in float64.

    values: (rows, k). residual: (k,), see `apply_function`. products: products with K for each column. converged:
    whether every residual is at most the tolerance.
    """

    values: Tensor
    residual: Tensor
    products: int
    converged: bool


def apply_function(
    operator: SymmetricOperator, b: Tensor, phi: Callable[[Tensor], Tensor], *, tol: float, max_steps: int
) -> MatrixFunction:
    r"""phi(K) b = |b| Q phi(T) e_1, Q (rows, m) the Lanczos basis of K from b and T = Q^T K Q, for each column of B.

    The residual of a column is |beta_m e_m^T phi(T) e_1|, a share of |b|. For phi(l) = (1 - e^(-t l)) / l it is that of
    the differential equation, |b - c' - K c| / |b|, and for phi(l) = 1 / l that of the linear system. The iteration
    stops when all residuals are at most tol, after max_steps (`converged` may then be False), or when the Krylov space
    is exhausted, where the result is exact. Each vector is orthogonalised twice against all earlier ones; the basis
    takes rows k max_steps doubles.

    Source: Saad 1992, SIAM J. Numer. Anal. 29(1); Botchev, Grimm and Hochbruck 2013 (arXiv 1206.4209), eq. 2.4.
    """
    rows, columns = b.shape  # float64
    size = norms(b)
    q = b / torch.where(size > 0, size, 1)
    steps = min(max_steps, rows)
    basis = b.new_empty(columns, steps, rows)
    t = b.new_zeros(columns, steps, steps)
    for j in range(steps):
        basis[:, j] = q.T
        u = product(operator, q)
        t[:, j, j] = (q * u).sum(0)
        scale = norms(u)
        known, w = basis[:, : j + 1], u.T[..., None]
        for _ in range(2):
            w = w - known.mT @ (known @ w)
        u = w[..., 0].T
        beta = norms(u)
        # What is left below this is rounding: the Krylov space is exhausted, and a further vector would be noise.
        beta = torch.where(beta > 1e-13 * scale, beta, 0)
        q = torch.where(beta > 0, u / beta, 0)
        last = j + 1 == steps
        if last or (j + 1) % CHECK_EVERY == 0 or not beta.any():
            y = _first_column(t[:, : j + 1, : j + 1], phi)
            residual = (beta * y[:, -1]).abs() * (size > 0)
            if last or bool((residual <= tol).all()):
                break
        t[:, j, j + 1] = t[:, j + 1, j] = beta
    values = torch.einsum("kjr,kj->rk", basis[:, : y.shape[1]], y) * size
    return MatrixFunction(values, residual, y.shape[1], bool((residual <= tol).all()))


def _first_column(t: Tensor, phi: Callable[[Tensor], Tensor]) -> Tensor:
    """phi(T) e_1 (k, m) for T (k, m, m)."""
    theta, s = torch.linalg.eigh(t)
    return torch.einsum("kij,kj->ki", s, phi(theta) * s[:, 0])
