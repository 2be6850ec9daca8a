"""A term is a share of the kernel: it is kept as factors of some samples, and contracted with those of others."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.linalg import tiles
from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._problem import Problem
from hpnets.ntk._rules.base import OuterRule
from hpnets.ntk._tape import Tape
from hpnets.ntk._tiling import empty, write_transposed

State = dict[str, Tensor]
# One product has this many rows: large enough for the GEMM's rate, small enough that the product stays in cache.
BLOCK = 256
# A symmetric product of fewer rows is made in so many shares, of which those below the diagonal are left out.
SHARES = 3
# A product over more columns than LONG, or than PIECE if a side has fewer rows than FEW, is a sum of products of so
# many: a library adds up the columns of few rows one after another, and the small ones that come after large ones are
# rounded away. Where both sides have few rows, all pieces are made in one batch, which is up to four times as fast,
# since a library shares out the rows and not the sum.
LONG, PIECE, FEW = 2**15, 2**12, 16
# A library that adds a product to K in place adds a few columns at a time, and what is small beside K is rounded away:
# a float32 kernel of 5 million gradients was off by 1e-4. From so many columns on, the product is made by itself.
SHORT = 2**12
# Weights of so many units H are compared by random sums of their rows.
MIXABLE = 32
# Each thread makes so many rows of a product, or more, where the rows are shared out to the threads.
THREAD_ROWS = 64


class Term(ABC):
    """Some layers' share of the kernel; it holds shapes and names only, and tensors are in the `State` of a tile.

    contraction: the name of the way in which factors give the share. even: whether the share is symmetric in the
    outputs for each pair of samples, K[o, x, p, x'] = K[p, x, o, x']. watches: whether the term takes the output
    gradients of its layers. axes: the axis of the samples in each factor, None if it has none.
    """

    contraction: str
    layers: tuple[Layer, ...]
    even: ClassVar[bool] = False
    watches: ClassVar[bool] = False
    axes: ClassVar[dict[str, int | None]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that the share is of."""
        return tuple(name for layer in self.layers for name in layer.names)

    @abstractmethod
    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the factors of n samples."""

    def allocate(self, n: int, C: int, like: Tensor, old: State) -> State:
        """Empty factors of n samples, in the memory of `old` where that is large enough."""
        return {name: empty(like, shape, old.get(name)) for name, shape in self.shapes(n, C).items()}

    def begin(self, params: Params, tape: Tape, state: State, rows: slice) -> None:  # noqa: B027
        """Take what the term needs of the forward pass over `rows`."""

    def take(  # noqa: B027
        self, tape: Tape, state: State, rows: slice, columns: slice, grads: dict[int, Tensor]
    ) -> None:
        """Take the gradients (c, rows, ...) of the outputs `columns`, given by id of the edge."""

    def edges(self, tape: Tape) -> list[GradientEdge]:
        """The edges whose gradients `take` needs."""
        return []

    def part(self, state: State, rows: slice) -> State:
        """The factors of some of the samples, as views."""
        return {name: t if self.axes[name] is None else _rows(t, self.axes[name], rows) for name, t in state.items()}

    @abstractmethod
    def summed(self, state: State, u: Tensor) -> Tensor:
        """Gu, what is left in J^T u of the factors that hold gradients of outputs: their sum with weights u (n, C)."""

    @abstractmethod
    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        """J^T u by parameter, flattened, from Gu; M g in place of the gradient g of a weight whose M is in `mixes`."""

    def pull(self, state: State, u: Tensor) -> dict[str, Tensor]:
        """J^T u for u (n, C), by parameter, flattened: the gradient of sum_i u_i . V^T f(x_i) by the factors."""
        return self.pulled(state, self.summed(state, u), {})

    def mixable(self, params: Params) -> tuple[str, ...]:
        """The large weights g (H, ...) of which `pulled` gives M g, for M (m, H), without forming g."""
        return ()

    def row(self, state: State, u: Tensor, a: int, Gu: Tensor, pulled: Params) -> Tensor:
        """<J_a^T u_a, J^T u> of a sample a, from J^T u, `pulled`, in which nothing is mixed."""
        one = slice(a, a + 1)
        own = self.pull(self.part(state, one), u[one])
        return torch.stack([dot(g, pulled[name]) for name, g in own.items()]).sum()

    @abstractmethod
    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        """Add <J, J'> to k: (n1, n2) for the trace over outputs, or (C, n1, C, n2).

        If `symmetric`, left is right and only `upper_blocks` of k need to be right.
        """

    @abstractmethod
    def flops(self, problem: Problem) -> float:
        """Floating-point operations of `contract` without symmetry."""

    def state_numels(self, n: int, C: int) -> list[int]:
        """The scalars of each factor of n samples."""
        return [math.prod(shape) for shape in self.shapes(n, C).values()]

    def scratch_numel(self, problem: Problem) -> int:
        """The scalars that `contract` needs beside k and the states."""
        return block_numel(problem.n1, problem.n2, problem.C, problem.flat)

    def begin_numel(self) -> int:
        """The scalars per sample that `begin` needs for a moment, beside the state."""
        return 0

    def held_numel(self) -> int:
        """The scalars per sample that `begin` leaves alive during a chunk's passes, beside the state."""
        return 0


def is_mixable(layer: Layer, params: Params) -> bool:
    """Whether the layer's weight is large, and its scalars are in the order (q, H, I) of its gradient."""
    (rule, (q, _, I, H)), p = layer.outer, params[layer.locals["weight"]]
    plain = type(rule).weight is OuterRule.weight
    return plain and H >= MIXABLE and p.shape[:1] == (q * H,) and p.numel() == q * H * I


def _rows(t: Tensor, axis: int | None, rows: slice) -> Tensor:
    return t[(slice(None),) * (axis or 0) + (rows,)]


def sum_of_rows(J: Tensor, u: Tensor) -> Tensor:
    """sum_{i, c} u[i, c] J[c, i] (P,) for J (C, n, P); output by output where one product over both would copy J."""
    if J.is_contiguous() or J.shape[1] == 1:
        return u.T.reshape(-1) @ J.flatten(0, 1)
    total = J.new_zeros(J.shape[2])
    for c in range(len(J)):
        total.addmv_(J[c].T, u[:, c])
    return total


def row_blocks(n: int, symmetric: bool) -> Iterator[tuple[slice, slice]]:
    """Blocks of rows, each with the columns that it needs: if symmetric, only those from its start on."""
    for i in range(0, n, BLOCK):
        yield slice(i, min(i + BLOCK, n)), slice(i if symmetric else 0, None)


def upper_blocks(C: int, n: int, symmetric: bool) -> Iterator[tuple[slice, slice, slice]]:
    """Blocks (outputs o, samples of the rows, outputs p) that cover k (C, n, C, :); if symmetric, only p >= o."""
    group = max(1, min(BLOCK // n, -(-C // SHARES) if symmetric else C))
    for o in range(0, C, group):
        for i in range(0, n, BLOCK):
            yield slice(o, min(o + group, C)), slice(i, min(i + BLOCK, n)), slice(o if symmetric else 0, C)


def block_numel(n1: int, n2: int, C: int, flat: bool) -> int:
    """The scalars of the largest product over `row_blocks` or `upper_blocks`."""
    return min(BLOCK, n1) * n2 if flat else min(max(BLOCK, 1), C * n1) * C * n2


def mirror(k: Tensor, even: bool = False) -> None:
    """Fill the lower part of a symmetric k, (n, n) or (C, n, C, n), from the upper blocks.

    An even k of (C, n, C, n) needs no transposition, which is several times faster.
    """
    if k.ndim == 2:
        for rows, _ in row_blocks(len(k), True):
            k[rows.stop :, rows] = k[rows, rows.stop :].T
        return
    for o in range(len(k) - 1):
        if even:
            k[o + 1 :, :, o] = k[o, :, o + 1 :].transpose(0, 1)
        else:
            write_transposed(k[o : o + 1, :, o + 1 :], k[o + 1 :, :, o : o + 1])


def dot(g: Tensor, h: Tensor) -> Tensor:
    """g . h () for g and h (p,); over many terms by a sum, since a library's product may add them one after another."""
    return g @ h if len(g) <= PIECE else (g * h).sum()


def write_product(K: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """K (n1, n2) = a b^T, which is returned, for a (n1, p) and b (n2, p)."""
    p, length = a.shape[1], LONG if min(K.shape) >= FEW else PIECE
    if p <= length:
        return _write_short(K, a, b)
    if max(K.shape) >= FEW:
        first, *others = tiles(p, length)
        torch.mm(a[:, first], b[:, first].T, out=K)
        for columns in others:
            K += a[:, columns] @ b[:, columns].T
        return K
    cut = p - p % PIECE
    x, y = (t[:, :cut].unflatten(1, (-1, PIECE)).transpose(0, 1) for t in (a, b))
    torch.sum(torch.bmm(x, y.transpose(1, 2)), 0, out=K)
    return K.addmm_(a[:, cut:], b[:, cut:].T)


def _write_short(K: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """K = a b^T by one product, of which each thread makes some rows.

    So it finds them in its cache when K is weighted and added, which threads share out by rows. The threads of a plain
    product may take columns.
    """
    T = torch.get_num_threads() if K.is_cpu else 1
    if T == 1 or len(a) % T or len(a) < T * THREAD_ROWS or not K.is_contiguous():
        return torch.mm(a, b.T, out=K)
    torch.bmm(a.unflatten(0, (T, -1)), b.T.expand(T, -1, -1), out=K.view(T, -1, K.shape[1]))
    return K


def add_product(K: Tensor, a: Tensor, b: Tensor) -> None:
    """K (n1, n2) += a b^T for a (n1, p) and b (n2, p)."""
    if a.shape[1] <= SHORT:
        K.addmm_(a, b.T)
    else:
        K += write_product(K.new_empty(K.shape), a, b)


def add_products(k: Tensor, left: Tensor, right: Tensor, weight: Tensor | None, symmetric: bool) -> None:
    """k += (left right^T) * weight, over the last axis of left (C, n1, p) and right (C, n2, p); weight is (n1, n2)."""
    if k.ndim == 2:
        for r, c in row_blocks(len(k), symmetric):
            product = write_product(k.new_empty(k[r, c].shape), left[0, r], right[0, c])
            for a, b in zip(left[1:], right[1:], strict=True):
                add_product(product, a[r], b[c])
            k[r, c] += product if weight is None else product.mul_(weight[r, c])
        return
    C, n2 = right.shape[:2]
    # All products use one buffer: fresh memory would cost a page fault every 4 KiB.
    buffer = left.new_empty(block_numel(left.shape[1], n2, C, False))
    for o, r, p in upper_blocks(C, left.shape[1], symmetric):
        a, b = left[o, r].flatten(0, 1), right[p].flatten(0, 1)
        product = write_product(buffer[: len(a) * len(b)].view(len(a), len(b)), a, b)
        product = product.view(-1, r.stop - r.start, C - p.start, n2)
        if weight is None:
            k[o, r, p] += product
        else:
            k[o, r, p].addcmul_(product, weight[r, None])
