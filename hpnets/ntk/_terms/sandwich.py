"""The contraction "sandwich", sum_st G[o, s] (P_s . P'_t) G'[p, t]: no gradient is formed."""

from typing import NamedTuple

import torch
from torch import Tensor

from hpnets.linalg import tiles
from hpnets.ntk._layer import Geometry
from hpnets.ntk._problem import Problem
from hpnets.ntk._terms.base import SHARES

# For a trace, two Gram matrices are multiplied entry by entry, which takes as long as so many operations an entry.
ENTRY = 32
# Each entry of T takes as long as so many operations of a large product, and each of its small products as so many.
MOVED = 30
PRODUCT = 8000
# A block of columns of these Gram matrices has about so many scalars, and is at least so wide.
COLUMNS, WIDTH = 2**18, 64
# What is between two products has about this many scalars: so few that it stays in the caches.
BLOCK = 2**20
# So many rows of samples are enough for a product to be fast, so that a block has more columns rather than more rows.
ROWS = 4


class Blocks(NamedTuple):
    """The rows and the columns, which are samples, of a block of pairs."""

    rows: int
    columns: int


def add_sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """Add sum_st G1[i, o, s] (P1_is . P2_jt) G2[j, p, t] to k (C, n1, C, n2), in blocks of pairs (i, j).

    P (n, q, S, I), G (n, q, C, S, H); if symmetric, both sides are the same, and pairs i < j are made once.
    """
    n, q, C, S, H = G1.shape
    size = block_size(G1.shape, len(G2), symmetric)
    # All products use one buffer: fresh memory would cost a page fault every 4 KiB.
    buffer = G1.new_empty(size.rows * size.columns * q * C * S * H)
    for js in tiles(len(G2), size.columns):
        b = js.stop - js.start
        right, P = G2[js].transpose(1, 2).reshape(b, C, -1), P2[js].transpose(0, 1).flatten(1, 2)
        for i in tiles(js.stop if symmetric else n, size.rows):
            m = i.stop - i.start
            grams = _grams(P, P1[i].transpose(0, 1).flatten(1, 2)).view(q, b * S, m, S).permute(2, 0, 1, 3)
            # T (m, q, C, b, S, H) is the Gram matrix of positions with G1; a product for each (i, o) leaves H last.
            each = grams.unsqueeze(2).expand(-1, -1, C, -1, -1).reshape(-1, b * S, S)
            T = torch.bmm(each, G1[i].flatten(0, 2), out=buffer[: len(each) * b * S * H].view(-1, b * S, H))
            left = T.view(m, q, C, b, S * H).permute(3, 0, 2, 1, 4).reshape(b, m * C, -1)
            # A product of few rows and many columns is twice as fast as one of many rows and few columns.
            block = (right @ left.transpose(1, 2)).view(b, C, m, C)
            k[:, i, :, js] += block.permute(3, 2, 1, 0)
            if symmetric and i.start < js.start:
                k[:, js, :, i.start : min(i.stop, js.start)] += block[:, :, : js.start - i.start].permute(1, 0, 3, 2)


def block_size(shape: tuple[int, ...], n2: int, symmetric: bool) -> Blocks:
    """The samples of a block: T (rows, q, C, columns, S, H) has BLOCK scalars, or one pair."""
    n1, q, C, S, H = shape
    pairs = max(1, BLOCK // (q * C * S * max(S, H)))
    columns = max(1, min(pairs // min(n1, ROWS), -(-n2 // SHARES) if symmetric else n2))
    return Blocks(min(n1, max(1, pairs // columns)), columns)


def add_trace_sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """Add the trace sum_ost (P1_is . P2_jt) (G1[i, o, s] . G2[j, o, t]) to k (n1, n2): two Gram matrices suffice."""
    n, q, _, S, _ = G1.shape
    A1, B1 = _rows(P1, G1)
    A2, B2 = (A1, B1) if symmetric else _rows(P2, G2)
    for js in tiles(len(G2), _columns(n, len(G2), q, S, symmetric)):
        m = js.stop if symmetric else n
        i, j = slice(0, m * S), slice(js.start * S, js.stop * S)
        gram = _grams(A1[:, i], A2[:, j]).mul_(_grams(B1[:, i], B2[:, j]))
        block = gram.view(q, m, S, -1, S).sum((0, 2, 4))
        k[:m, js] += block
        if symmetric:
            k[js, : js.start] += block[: js.start].T


def _columns(n1: int, n2: int, q: int, S: int, symmetric: bool) -> int:
    """The samples of a block of columns; if symmetric, few enough that the blocks leave out half of the pairs."""
    columns = max(1, COLUMNS // (q * S * S * n1))
    return min(columns, max(-(-n2 // SHARES), -(-WIDTH // S))) if symmetric else columns


def _rows(P: Tensor, G: Tensor) -> tuple[Tensor, Tensor]:
    """P and G (n, q, C, S, H) with a row for each sample and position: (q, n S, I) and (q, n S, C H)."""
    return P.transpose(0, 1).flatten(1, 2), G.permute(1, 0, 3, 2, 4).flatten(3).flatten(1, 2)


def _grams(A: Tensor, B: Tensor) -> Tensor:
    return A @ B.transpose(1, 2)


def sandwich_flops(shape: Geometry, problem: Problem) -> float:
    """The operations of "sandwich": the products P P'^T, then G with it, then the result with G'."""
    q, S, I, H = shape
    products = S * I + problem.C * H * S + (0 if problem.flat else problem.pairs * H)
    return 2.0 * problem.n1 * problem.n2 * q * S * products


def sandwich_cost(shape: Geometry, problem: Problem) -> float:
    """The operations of large products that take as long as "sandwich", for comparison with `chunks_flops`."""
    q, S, _, H = shape
    moved = S * S * ENTRY if problem.flat else problem.C * (S * H * MOVED + PRODUCT)
    return sandwich_flops(shape, problem) + float(problem.n1 * problem.n2 * q * moved)


def sandwich_numel(shape: Geometry, problem: Problem) -> int:
    """The scalars that the contraction needs beside k and the factors."""
    q, S, I, H = shape
    n1, n2, C = problem.n1, problem.n2, problem.C
    if problem.flat:
        return (n1 + n2) * q * S * (I + C * H) + 3 * _columns_numel(n1, n2, q * S * S)
    size = block_size((n1, q, C, S, H), n2, problem.symmetric)
    pairs = size.rows * size.columns
    copies = 1 if q == 1 else 2
    return (
        pairs * (q * C * S * (copies * H + S) + q * S * S + C * C)
        + size.columns * q * S * (C * H + I)
        + size.rows * q * S * I
    )


def _columns_numel(n1: int, n2: int, unit: int) -> int:
    """The scalars of a block of `_columns`."""
    return max(unit * n1, min(COLUMNS, unit * n1 * n2))
