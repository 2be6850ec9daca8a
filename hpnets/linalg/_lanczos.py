"""Block Lanczos with full reorthogonalisation and thick restarts: the largest eigenvalues of K by products alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, product

# At infinite width K_full = K x I_O has every eigenvalue O times, and a single-vector iteration finds each only once.
# A block of ten covers the usual ten classes, and ten products together cost less than ten one by one.
BLOCK = 10
# The basis is cut back at eight blocks more than the wanted pairs fill, or at three times these if that is more.
BASIS_BLOCKS = 8
# With small blocks the basis is cut back at this many vectors at the earliest: 2 * 32 doubles a row of K.
BASIS_VECTORS = 32
# To confirm convergence the basis grows by this many blocks from a random one, which finds what the start missed.
CONFIRM_BLOCKS = 4


@dataclass(frozen=True)
class Ritz:
    """Approximate eigenpairs, all float64.

    values: (k,), descending. vectors: (rows, k), orthonormal. residuals: (k,), |K v - l v| / max |l|. converged:
    whether every residual is below the tolerance. products: how many vectors were multiplied by K.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    converged: bool
    products: int


def lanczos(
    operator: SymmetricOperator, k: int, *, tol: float, max_restarts: int, seed: int, block: int = BLOCK
) -> Ritz:
    r"""The k algebraically largest eigenpairs: Rayleigh-Ritz T = Q^T K Q on a block Krylov basis Q (rows, m), float64.

    This differs from the textbook iteration in two ways. K Q is kept beside Q (2 rows m doubles in all), so that T and
    the residuals come from the products themselves, not from the three-term recurrence, and show the rounding of
    float32 products. Once converged, the iteration is repeated with a random block in place of the next Krylov block
    until that changes nothing: otherwise an eigenvalue that the start happened to miss, such as one repeated more than
    `block` times, would silently be absent. A block of one takes the fewest products where no eigenvalue is repeated.

    Source: Wu and Simon 2000, SIAM J. Matrix Anal. Appl. 22(2) (thick restart); Golub and Underwood 1977 (blocks).
    """
    rows = operator.shape[0]
    block = min(block, rows)
    wanted = -(-k // block)
    size = min(rows, max(block * max(wanted + BASIS_BLOCKS, 3 * wanted), BASIS_VECTORS))
    generator = torch.Generator().manual_seed(seed)
    # Columns of Q and K Q are rows of these, so that a new one is written in place and no basis is copied.
    store_q, store_kq = (torch.empty(size, rows, dtype=torch.float64, device=operator.device) for _ in range(2))
    q, kq = store_q[:0].T, store_kq[:0].T
    t, start, products = q.T @ kq, _random(q, block, generator), 0
    before: Tensor | None = None
    for _ in range(max_restarts + 1):
        limit = size if before is None else min(size, q.shape[1] + CONFIRM_BLOCKS * block)
        while True:
            start = start[:, : size - q.shape[1]]
            ks = product(operator, start)
            below, products = start.T @ kq, products + start.shape[1]
            q, kq = _appended(store_q, q, start), _appended(store_kq, kq, ks)
            # Q^T K Q grows by its border: the whole product again would cost m^2 rows for each block.
            t = torch.cat([torch.cat([t, below]), q.T @ ks], 1)
            ritz, rotation = _rayleigh_ritz(q, kq, t, k, tol, products)
            if q.shape[1] >= limit or (ritz.converged and before is None):
                break
            start = _orthonormal(ks, q, generator)
        if q.shape[1] == rows or (ritz.converged and before is not None and _agree(before, ritz.values, tol)):
            return ritz
        # The next block is made orthogonal to the whole basis, before the cut: else it would bring back what is cut.
        following = _random(q, block, generator) if ritz.converged else _orthonormal(ks, q, generator)
        kept = rotation[:, : block * (wanted + 1)]
        q, kq, start = _appended(store_q, q[:, :0], q @ kept), _appended(store_kq, kq[:, :0], kq @ kept), following
        t = q.T @ kq
        before = ritz.values if ritz.converged else None
    return Ritz(ritz.values, ritz.vectors, ritz.residuals, False, products)


def _appended(store: Tensor, basis: Tensor, block: Tensor) -> Tensor:
    """[basis, block] (rows, m + b), whose columns are the first rows of `store`; `basis` is there already."""
    m = basis.shape[1]
    store[m : m + block.shape[1]] = block.T
    return store[: m + block.shape[1]].T


def _rayleigh_ritz(q: Tensor, kq: Tensor, t: Tensor, k: int, tol: float, products: int) -> tuple[Ritz, Tensor]:
    """The k best pairs in the span of Q (not converged if it has m < k columns), and all coefficient vectors (m, m)."""
    values, s = torch.linalg.eigh((t + t.T) / 2)
    values, s = values.flip(0), s.flip(1)
    scale = values.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    vectors = q @ s[:, :k]
    residuals = norms(kq @ s[:, :k] - vectors * values[:k]) / scale
    converged = len(values) >= k and bool((residuals < tol).all())
    return Ritz(values[:k], vectors, residuals, converged, products), s


def _agree(a: Tensor, b: Tensor, tol: float) -> bool:
    return bool((a - b).abs().max() <= tol * b.abs().max())


def _random(q: Tensor, block: int, generator: torch.Generator) -> Tensor:
    """A random orthonormal block (rows, b), orthogonal to Q, drawn on the CPU so that all devices and ranks agree."""
    draw = torch.randn(len(q), block, dtype=torch.float64, generator=generator).to(q.device)
    return _orthonormal(draw, q, generator)


def _orthonormal(v: Tensor, q: Tensor, generator: torch.Generator) -> Tensor:
    """Orthonormal columns that span the part of V orthogonal to Q; a column without such a part is drawn at random."""
    width = min(v.shape[1], len(q) - q.shape[1])
    v = v[:, :width]
    while True:
        v = v / norms(v).clamp_min(torch.finfo(v.dtype).tiny)
        # Two passes are enough (Kahan and Parlett): the second removes what rounding leaves in the first.
        for _ in range(2):
            v = v - q @ (q.T @ v)
        v, r = torch.linalg.qr(v)
        # A unit column of which less than this is left is rounding, whose direction means nothing.
        lost = r.diagonal().abs() < 1e-10
        if not lost.any():
            return v - q @ (q.T @ v)
        fresh = torch.randn(len(q), int(lost.sum()), dtype=v.dtype, generator=generator).to(v.device)
        v[:, lost] = fresh
