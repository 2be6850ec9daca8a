"""The contraction "sandwich", sum_st G[o, s] (P_s . P'_t) G'[p, t]: no gradient is formed."""

from collections.abc import Iterator

from torch import Tensor

from hpnets.ntk._layer import Geometry
from hpnets.ntk._problem import Problem
from hpnets.ntk._terms.base import block_numel

# T is written and read once for each pair of samples, so fewer positions than this take as long as this many.
LEAST_POSITIONS = 40
# For a trace, two Gram matrices are multiplied entry by entry, which takes as long as so many operations an entry.
ENTRY = 32
# From so few positions on, products of one pair of samples are too small: several samples are taken at a time.
FEW = 12
# Then what is between two products has about this many scalars, so that it stays in the caches.
BLOCK = 2**18


def add_sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """Add sum_st G1[i, o, :, s] (P1_is . P2_jt) G2[j, p, :, t] to k (C, n1, C, n2), sample by sample.

    P (n, q, S, I), G (n, q, C, H, S); if symmetric, both sides are the same, and pairs i < j are made once.
    """
    n, q, C, H, S = G1.shape
    for j in range(len(G2)):
        m = j + 1 if symmetric else n
        # gram (m, q, S, S) is that of the positions; T (m, q, C, H S) is G1 gram.
        gram = P1[:m] @ P2[j].transpose(-1, -2)
        T = (G1[:m].flatten(2, 3) @ gram).view(m, q, C, H * S)
        block = (T.transpose(1, 2).reshape(m * C, -1) @ G2[j].transpose(0, 1).reshape(C, -1).T).view(m, C, C)
        _add(k, block[None], slice(j, j + 1), symmetric)


def add_short_sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """`add_sandwich` with units last, G (n, q, C, S, H), for some samples j at a time."""
    n, q, C, S, H = G1.shape
    for js, m in _columns(n, len(G2), q * C * S * max(S, H), symmetric):
        b = js.stop - js.start
        gram = _grams(P2[js].transpose(0, 1).flatten(1, 2), P1[:m].transpose(0, 1).flatten(1, 2))
        # T (m, q, C, b S, H): units are last, so that its rows (i, o) and columns (t, h) are a matrix for each j.
        T = gram.view(q, b * S, m, S).permute(2, 0, 1, 3).unsqueeze(2) @ G1[:m]
        rows = T.view(m, q, C, b, S, H).permute(3, 0, 2, 1, 4, 5).reshape(b, m * C, -1)
        block = rows @ G2[js].transpose(1, 2).reshape(b, C, -1).transpose(1, 2)
        _add(k, block.view(b, m, C, C), js, symmetric)


def add_trace_sandwich(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """Add the trace sum_ost (P1_is . P2_jt) (G1[i, o, s] . G2[j, o, t]) to k (n1, n2): two Gram matrices suffice."""
    n, q, _, S, _ = G1.shape
    A1, B1 = _rows(P1, G1)
    A2, B2 = (A1, B1) if symmetric else _rows(P2, G2)
    for js, m in _columns(n, len(G2), q * S * S, symmetric):
        i, j = slice(0, m * S), slice(js.start * S, js.stop * S)
        gram = _grams(A1[:, i], A2[:, j]).mul_(_grams(B1[:, i], B2[:, j]))
        block = gram.view(q, m, S, -1, S).sum((0, 2, 4))
        k[:m, js] += block
        if symmetric:
            k[js, : js.start] += block[: js.start].T


def _columns(n: int, count: int, unit: int, symmetric: bool) -> Iterator[tuple[slice, int]]:
    """Slices of the columns, and how many rows each needs; unit: the scalars of a pair of samples."""
    step = max(1, BLOCK // (unit * n))
    for start in range(0, count, step):
        stop = min(start + step, count)
        yield slice(start, stop), stop if symmetric else n


def _add(k: Tensor, block: Tensor, js: slice, symmetric: bool) -> None:
    """Add block (b, m, C, C), of the samples js and the first m, to k (C, n1, C, n2)."""
    k[:, : block.shape[1], :, js] += block.permute(2, 1, 3, 0)
    if symmetric:
        k[:, js, :, : js.start] += block[:, : js.start].permute(3, 0, 2, 1)


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
    moved = S * ENTRY if problem.flat else 2 * problem.C * H * max(0, LEAST_POSITIONS - S)
    return sandwich_flops(shape, problem) + float(problem.n1 * problem.n2 * q * S * moved)


def sandwich_numel(shape: Geometry, problem: Problem, units_last: bool) -> int:
    """The scalars that the contraction needs beside k and the factors."""
    q, S, I, H = shape
    n1, n2, C = problem.n1, problem.n2, problem.C
    if problem.flat:
        return (n1 + n2) * q * S * (I + C * H) + 3 * _block_numel(n1, n2, q * S * S)
    if units_last:
        return n1 * q * S * I + 4 * _block_numel(n1, n2, q * C * S * max(S, H)) + block_numel(n1, 1, C, False)
    return n1 * q * S * (S + 2 * C * H)


def _block_numel(n1: int, n2: int, unit: int) -> int:
    """The scalars of a block of `_columns`."""
    return max(unit * n1, min(BLOCK, unit * n1 * n2))
