"""A kernel is made tile by tile, from the factors of its rows and of its columns."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from hpnets.linalg import tiles
from hpnets.ntk._problem import Problem

# So many rows are transposed at a time, so that their cache lines stay in cache.
STRIP = 32

# The factors of a tile's samples; only `Work` knows what is inside.
Factors = Any


class Work(Protocol):
    """The work of a kernel: how factors of samples are made, and how they are contracted to a tile."""

    @property
    def tile(self) -> int:
        """The number of samples whose factors are made at a time."""
        ...

    def factors(self, x: Tensor, old: Factors | None, first: bool, others: tuple[Tensor, ...]) -> Factors:
        """The factors of the samples of x, written into the memory of `old`, factors that are no longer needed, if any.

        first: whether these samples are new to this kernel, so that what is assumed of them has to be proven. others:
        batches of which a sample runs beside a lone one.
        """
        ...

    def contract(self, k: Tensor, left: Factors, right: Factors, symmetric: bool) -> None:
        """Write <J, J'> into k, (n1, n2) or (C, n1, C, n2); symmetric: whether left and right are the same."""
        ...


class Driver(Protocol):
    """A driver decides who makes which factors and contracts which tiles: one process, or the ranks of a group."""

    def __call__(self, x1: Tensor, x2: Tensor | None, problem: Problem, work: Work) -> Tensor:
        """K (N1, N2) if problem.flat, else (C, N1, C, N2)."""
        ...


def tiled_kernel(x1: Tensor, x2: Tensor | None, problem: Problem, work: Work) -> Tensor:
    """K, tile by tile, by one process; if x2 is None, only half of the tiles are contracted.

    Factors reuse the memory of the tile before. Otherwise the memory that passes free would lie between the factors of
    two tiles, in pieces too small to be used, and the process would hold twice as much.
    """
    columns = x1 if x2 is None else x2
    C = 1 if problem.flat else problem.C
    kernel = x1.new_empty(C, len(x1), C, len(columns))
    left = right = None
    for rows in tiles(len(x1), work.tile):
        left = work.factors(x1[rows], left, x2 is not None or rows.start == 0, (x1, columns))
        for cols in tiles(len(columns), work.tile):
            if x2 is None and cols.start < rows.start:
                continue
            same = x2 is None and cols == rows
            if not same:
                right = work.factors(columns[cols], right, rows.start == 0, (columns, x1))
            k = kernel[:, rows, :, cols]
            work.contract(k[0, :, 0] if problem.flat else k, left, left if same else right, same)
            if x2 is None and not same:
                write_transposed(k, kernel[:, cols, :, rows])
    return kernel[0, :, 0] if problem.flat else kernel


def write_transposed(k: Tensor, other: Tensor) -> None:
    """other[p, b, o, a] = k[o, a, p, b], for k (c, n1, C, n2)."""
    for o in range(len(k)):
        for rows in tiles(k.shape[1], STRIP):
            other[:, :, o, rows] = k[o, rows].permute(1, 2, 0)


def chunks(n: int, size: int) -> Iterator[slice]:
    """Consecutive slices of about `size` that cover range(n), none of a single row if n > 1.

    Some of torch's backward formulas are wrong at batch 1 (tests/ntk/test_torch_bugs.py), so a last slice of one row
    takes the row before it again.
    """
    size = max(size, 2)
    for rows in tiles(n, size):
        yield slice(max(0, n - 2), n) if rows.stop - rows.start == 1 else rows


def pair(x: Tensor) -> Tensor:
    """The first two samples of x; a single sample is repeated, since networks and torch may differ at batch 1."""
    return x[:2] if len(x) > 1 else x.repeat(2, *[1] * (x.ndim - 1))


def in_company(x: Tensor, others: Iterable[Tensor]) -> Tensor:
    """x; a lone sample and behind it the first of the batches `others` that differs from it, or itself if none does.

    In its own company alone a sample does not show that the network couples samples.
    """
    if len(x) > 1:
        return x
    samples = (batch[i : i + 1] for batch in others for i in range(len(batch)))  # mostly the first is taken
    return torch.cat([x, next((sample for sample in samples if not torch.equal(sample, x)), x)])


def empty(like: Tensor, shape: tuple[int, ...], old: Tensor | None) -> Tensor:
    """An empty tensor with the dtype and device of `like`, in the memory of `old` if that is given and large enough."""
    if old is None:
        return like.new_empty(shape)
    new = torch.empty(shape, dtype=like.dtype, device="meta")
    if old.untyped_storage().nbytes() < new.nbytes:
        return like.new_empty(shape)
    return old.as_strided(shape, new.stride(), 0)
