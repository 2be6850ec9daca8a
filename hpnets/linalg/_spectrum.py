"""Eigenvalues of a kernel in float64, with residuals that say how far to trust them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hpnets.linalg._lanczos import BLOCK, lanczos
from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, as_operator, check_symmetric, dense, rows_of, square

# A dense float64 decomposition of 8,192 rows takes 1.5 GB, and minutes on two cores; above that Lanczos is used.
DENSE_ROWS = 8192
# Products of each precision reach residuals well below these.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-6}


@dataclass(frozen=True)
class Eigenvalues:
    r"""Eigenvalues of a symmetric kernel, descending, here all of them.

    eigenvalues: (k,) float64. floor: eps(dtype of K) * rows * |lambda|_max, below which one is rounding noise.
    """

    eigenvalues: Tensor
    floor: float

    @property
    def rows(self) -> int:
        """The number of rows of the kernel."""
        return len(self.eigenvalues)


@dataclass(frozen=True)
class Spectrum(Eigenvalues):
    r"""Eigenvalues of a symmetric kernel, all or the largest ones, with their vectors.

    residuals: (k,) float64, |K v - lambda v| / |lambda|_max for unit v; a true eigenvalue lies within residual *
    |lambda|_max of each. converged: whether every residual is below the tolerance. vectors: (rows, k) float64,
    orthonormal. products: how many products K v were made, 0 for a dense decomposition of a stored kernel.
    """

    residuals: Tensor
    converged: bool
    vectors: Tensor
    products: int

    @property
    def rows(self) -> int:
        """The number of rows of the kernel; `eigenvalues` may hold fewer, the largest ones."""
        return len(self.vectors)


def eigenvalues(kernel: Tensor) -> Eigenvalues:
    """All eigenvalues of K (N, N) or (N, N, O, O), decomposed in float64 without vectors, sooner than by `spectrum`.

    Raises ValueError if K is not a square symmetric kernel, holds NaN or Inf, or has more than 8,192 rows.
    """
    rows = rows_of(kernel)
    if rows > DENSE_ROWS:
        raise ValueError(
            f"the kernel has {rows} rows; allowed: at most {DENSE_ROWS}, or spectrum with k or method='dense'"
        )
    values = torch.linalg.eigvalsh(as_matrix(kernel)).flip(0)
    return Eigenvalues(values, _floor(kernel.dtype, rows, values))


def spectrum(
    kernel: Tensor | SymmetricOperator,
    k: int | None = None,
    method: Literal["auto", "dense", "lanczos"] = "auto",
    *,
    tol: float | None = None,
    max_restarts: int = 50,
    seed: int = 0,
    block: int = BLOCK,
) -> Spectrum:
    """The k largest eigenvalues (None: all) of K (N, N), (N, N, O, O), or an operator such as `NTKOperator`.

    "dense" decomposes K in float64 (an operator is multiplied out first); "lanczos" needs k and uses products alone;
    "auto" is "lanczos" for k eigenvalues of an operator or of more than 8,192 rows, else "dense". tol: the residual
    below which an eigenvalue counts as converged; None means 1e-10, or 1e-6 for Lanczos on float32 products.
    max_restarts bounds the work of Lanczos; seed draws its start; block: how many vectors it multiplies at a time.

    Raises ValueError if K is not a square symmetric kernel, holds NaN or Inf, an argument is out of range, or all
    eigenvalues of more than 8,192 rows are asked of "auto".
    """
    if method not in ("auto", "dense", "lanczos"):
        raise ValueError(f"method is {method!r}; allowed: 'auto', 'dense', 'lanczos'")
    rows = rows_of(kernel)
    if k is not None and not 1 <= k <= rows:
        raise ValueError(f"k is {k}; allowed: 1 to {rows}, the rows of the kernel")
    if tol is not None and not tol > 0:
        raise ValueError(f"tol is {tol}; allowed: > 0")
    if block < 1:
        raise ValueError(f"block is {block}; allowed: >= 1")
    if k is None and (method == "lanczos" or (method == "auto" and rows > DENSE_ROWS)):
        raise ValueError(f"k is None; allowed: 1 to {rows} where Lanczos is used, or method='dense' for all of them")
    stored = isinstance(kernel, Tensor) and rows <= DENSE_ROWS
    if method == "lanczos" or (method == "auto" and k is not None and not stored):
        operator = as_operator(kernel)
        # A stored kernel is multiplied in float64, whatever its own dtype.
        dtype = torch.float64 if isinstance(kernel, Tensor) else operator.dtype
        tol = tol or TOLERANCE[dtype]
        ritz = lanczos(operator, k or rows, tol=tol, max_restarts=max_restarts, seed=seed, block=block)
        floor = _floor(operator.dtype, rows, ritz.values)
        return Spectrum(ritz.values, floor, ritz.residuals, ritz.converged, ritz.vectors, ritz.products)
    return _dense_spectrum(kernel, k, tol or TOLERANCE[torch.float64])


def _dense_spectrum(kernel: Tensor | SymmetricOperator, k: int | None, tol: float) -> Spectrum:
    stored = isinstance(kernel, Tensor)
    matrix = as_matrix(kernel if isinstance(kernel, Tensor) else dense(kernel))
    values, vectors = torch.linalg.eigh(matrix)
    floor = _floor(kernel.dtype, len(matrix), values)
    scale = values.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    values, vectors = values.flip(0)[:k], vectors.flip(1)[:, :k]
    residuals = norms(matrix @ vectors - vectors * values) / scale
    converged = bool((residuals < tol).all())
    return Spectrum(values, floor, residuals, converged, vectors, 0 if stored else len(matrix))


def _floor(dtype: torch.dtype, rows: int, values: Tensor) -> float:
    return torch.finfo(dtype).eps * rows * float(values.abs().max())


def as_matrix(kernel: Tensor) -> Tensor:
    """K as a symmetric float64 matrix, (N, N) or (N O, N O) with sample-major rows; ValueError if it is asymmetric."""
    matrix = square(kernel).double()
    check_symmetric(matrix)
    return (matrix + matrix.T) / 2
