"""Byte budgets, and what is predicted of allocators that keep within them."""

import math
import re
import sys
from numbers import Real

from torch import Tensor

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"K": 10**3, "M": 10**6, "G": 10**9}
# What allocators and libraries add: rounding, buffers of products, the rests of holes.
SLACK = 1.2
# Passes one after another leave holes that the C library keeps, unless they are of sizes that it gives back at once.
HOLES = 24 * 2**20
# Blocks from this size on are the system's own pages: nothing is added to them.
LARGE = 32 * 2**20


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
        raise ValueError(f"memory is {budget} bytes; allowed: at least {bytes_per_row}, which one row takes")
    return min(rows, budget // bytes_per_row)


def numel(params: dict[str, Tensor]) -> int:
    """Number of scalars in a dictionary of parameters."""
    return sum(p.numel() for p in params.values())
