"""Block Lanczos with full reorthogonalisation and thick restarts: the largest eigenvalues of K by products alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._basis import Basis
from hpnets.linalg._norms import norms
from hpnets.linalg._operators import SymmetricOperator, finite_product

# At infinite width K_full = K x I_O has every eigenvalue O times, and a single-vector iteration finds each only once.
# A block of ten covers the usual ten classes, and ten products together cost less than ten one by one.
BLOCK = 10
# A basis is full at eight blocks more than the wanted pairs fill, or at three times these if that is more.
BASIS_BLOCKS = 8
# With small blocks it is full at this many vectors at the earliest: for each row of K 32 doubles, and 32 products.
BASIS_VECTORS = 32
# A cut keeps one block more than the wanted pairs fill, or a third of the basis if that is more: with less, eigenvalues
# close to each other take up to twice the products.
KEPT = 3
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

    This differs from the textbook iteration in two ways. K Q is kept beside Q, in the products' dtype, so that the
    residuals come from the products themselves, not from the three-term recurrence, and show the rounding of float32
    products; the recurrence only says when to compute them. Once converged, the iteration is repeated with a random
    block in place of the next Krylov block, until that changes nothing: otherwise an eigenvalue that the start happened
    to miss, such as one repeated more than `block` times, would silently be absent. A block of one takes the fewest
    products where no eigenvalue is repeated.

    Source: Wu and Simon 2000, SIAM J. Matrix Anal. Appl. 22(2) (thick restart); Golub and Underwood 1977 (blocks).
    """
    rows = operator.shape[0]
    block = min(block, rows)
    wanted = -(-k // block)
    blocks = max(wanted + BASIS_BLOCKS, 3 * wanted, -(-BASIS_VECTORS // block))
    kept, size = block * max(wanted + 1, blocks // KEPT), min(rows, block * blocks)
    basis = Basis(rows, size, operator.device, torch.Generator().manual_seed(seed))
    start, before, left = basis.random(block), None, list[Tensor]()
    for restart in range(max_restarts + 1):
        limit = size if before is None else min(size, basis.columns + CONFIRM_BLOCKS * block)
        pairs, following = _grown(basis, operator, start, limit, k, tol, confirm=before is not None)
        certain = pairs.converged and before is not None and _agree(before, pairs.values[:k], tol)
        if certain or basis.columns == rows or restart == max_restarts:
            break
        # The next block is orthogonal to the whole basis, before the cut: else it would bring back what is cut.
        if pairs.converged:
            before, start = pairs.values[:k], basis.random(block)
            left.append(following)
        else:  # where a random block came in between, K leads out of Q along what it replaced, too
            before, start = None, basis.orthonormal(torch.cat([following, *left], 1))[0] if left else following
            left.clear()
        basis.cut(pairs.s[:, :kept])
    certain = certain or basis.columns == rows
    vectors = basis.q @ pairs.s[:, :k]
    return Ritz(pairs.values[:k], vectors, pairs.residuals, pairs.converged and certain, basis.products)


@dataclass(frozen=True)
class _Pairs:
    """Ritz values (m,) and coefficient vectors (m, m); the residuals of the k largest, and whether all are small."""

    values: Tensor
    s: Tensor
    residuals: Tensor
    converged: bool


def _grown(
    basis: Basis, operator: SymmetricOperator, start: Tensor, limit: int, k: int, tol: float, confirm: bool
) -> tuple[_Pairs, Tensor]:
    """Multiply from `start` on until there are `limit` columns or, unless to confirm, the k largest pairs converged.

    It gives the pairs, and the next Krylov block.
    """
    while True:
        start = start[:, : basis.size - basis.columns]
        following, left = basis.extend(start, finite_product(operator, start))
        values, s = (t.flip(-1) for t in torch.linalg.eigh(basis.t))
        scale = values.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
        # A block is never cut in two, unless that makes the basis complete: K would lead out of Q along the rest.
        fits = basis.columns + following.shape[1] <= basis.size or basis.size == basis.rows
        full = basis.columns >= limit or not fits
        # In the Krylov space K Q s leaves Q by what the last block does, which costs nothing to compute.
        seem = not (full or confirm) and len(values) >= k and _below(norms(left @ s[-left.shape[1] :, :k]) / scale, tol)
        if full or seem:
            residuals = basis.residuals(s[:, :k], values[:k]) / scale
            converged = len(values) >= k and _below(residuals, tol)
            if full or converged:
                return _Pairs(values, s, residuals, converged), following
        start = following


def _below(residuals: Tensor, tol: float) -> bool:
    return bool((residuals < tol).all())


def _agree(a: Tensor, b: Tensor, tol: float) -> bool:
    return bool((a - b).abs().max() <= tol * b.abs().max())
