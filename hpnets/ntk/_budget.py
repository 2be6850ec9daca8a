"""Byte budgets, and the tiles that keep within them."""

import math
import re
import sys
from collections.abc import Callable
from numbers import Real
from typing import TypeVar

import torch
from torch import Tensor

from hpnets.linalg import tiles
from hpnets.ntk._output_selection import OutputSelection

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"K": 10**3, "M": 10**6, "G": 10**9}
# What allocators and libraries add: rounding, buffers of products, the rests of holes.
SLACK = 1.2
# Passes one after another leave holes that the C library keeps, unless they are of sizes that it gives back at once.
HOLES = 24 * 2**20
# Blocks from this size on are the system's own pages: nothing is added to them.
LARGE = 32 * 2**20
F = TypeVar("F")
# (x1, x2, selection, tile, factors, contract, total) -> K: how factors become a kernel, see `tiled_kernel`.
Driver = Callable[..., Tensor]


def parse_bytes(memory: str | float) -> int:
    """Bytes from a number or a text such as "500MiB" or "2G"; raises ValueError for anything else or less than 1."""
    size: float = math.nan
    if isinstance(memory, Real) and not isinstance(memory, bool):
        size = memory
    elif isinstance(memory, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", memory)):
        size = float(match[1]) * _UNITS.get(match[2].upper(), math.nan)
    if not size >= 1:
        raise ValueError(f"memory is {memory!r}; allowed: a number of bytes >= 1, or a text such as '500MiB' or '2GB'")
    return int(min(size, sys.maxsize))


def peak_bytes(held: int, passes: int, recur: bool, large: int = 0) -> int:
    """Predicted peak of what is held, `large` blocks among it, and of passes, which `recur` or are made once.

    It is their sum, though the largest scratch is needed when no pass is made: what passes leave free, allocators keep,
    in pieces that the scratch does not fit.
    """
    return large + int(SLACK * (held - large + passes)) + (min(passes, HOLES) if recur else 0)


def rows_that_fit(bytes_per_row: int, budget: int, rows: int) -> int:
    """Rows of a tile, at most `rows`, within `budget` bytes; raises ValueError if not even one fits."""
    if bytes_per_row > budget:
        raise ValueError(f"memory is {budget} bytes, but one row takes {bytes_per_row}; raise memory to at least that")
    return min(rows, budget // bytes_per_row)


def numel(params: dict[str, Tensor]) -> int:
    """Number of scalars in a dictionary of parameters."""
    return sum(p.numel() for p in params.values())


def tiled_kernel(
    x1: Tensor,
    x2: Tensor | None,
    selection: OutputSelection,
    tile: int,
    factors: Callable[[Tensor, F | None], F],
    contract: Callable[[Tensor, F, F, bool], None],
    total: Tensor | None = None,
) -> Tensor:
    """K tile by tile from the factors of its rows and columns: (N1, N2) if selection.flat, else (C, N1, C, N2).

    factors(x, old) may take the memory of `old`, factors that are no longer needed: what a tile's passes leave free
    would else lie between the factors of two tiles, too small for anything, and the process would hold twice as much.
    contract(k, left, right, symmetric) writes a tile in its place. With x2 None, only half of the tiles are computed.
    total: a kernel that takes the place of a new one; `contract` finds its values in k.
    """
    columns = x1 if x2 is None else x2
    C = 1 if selection.flat else selection.columns
    kernel = x1.new_empty(C, len(x1), C, len(columns)) if total is None else total
    kernel = kernel.view(C, len(x1), C, len(columns))

    left: F | None = None
    right: F | None = None
    for rows in tiles(len(x1), tile):
        left = factors(x1[rows], left)
        for cols in tiles(len(columns), tile):
            if x2 is None and cols.start < rows.start:
                continue
            same = x2 is None and cols == rows
            if not same:
                right = factors(columns[cols], right)
            k = kernel[:, rows, :, cols]
            contract(k[0, :, 0] if selection.flat else k, left, left if same or right is None else right, same)
            if x2 is None and not same:
                kernel[:, cols, :, rows] = k.permute(2, 3, 0, 1)
    return kernel[0, :, 0] if selection.flat else kernel


def empty(like: Tensor, shape: tuple[int, ...], old: Tensor | None) -> Tensor:
    """An empty tensor, dtype and device of `like`, in the memory of `old` if that is given and large enough."""
    new = torch.empty(shape, dtype=like.dtype, device="meta")
    if old is None or old.untyped_storage().nbytes() < new.nbytes:
        return like.new_empty(shape)
    return old.as_strided(shape, new.stride(), 0)
