"""Byte budgets, and predictions of what allocators take beyond the tensors."""

import math
import re
import sys
from numbers import Real

from torch import Tensor

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"K": 10**3, "M": 10**6, "G": 10**9}
# Allocators and libraries take this factor more: rounded sizes, remainders of freed blocks.
SLACK = 1.2
# Work of more bytes than SMALL has products that are large enough for libraries to keep up to BUFFERS bytes for them;
# how many differs from processor to processor, and where blocks come to lie makes 4 MiB from process to process.
SMALL, BUFFERS = 8 * 2**20, 12 * 2**20
# Repeated passes leave freed blocks of about this size in all, which the C library keeps instead of returning them.
HOLES = 32 * 2**20
# Blocks of at least this size get pages of their own from the system, so nothing is added to them.
LARGE = 32 * 2**20


def parse_bytes(memory: str | float) -> int:
    """The bytes that a number or a text such as "500MiB" or "2G" names; raises ValueError for others and below 1."""
    size: float = math.nan
    if isinstance(memory, Real) and not isinstance(memory, bool):
        size = memory
    elif isinstance(memory, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", memory)):
        size = float(match[1]) * _UNITS.get(match[2].upper(), math.nan)
    if not size >= 1:
        raise ValueError(f"memory is {memory!r}; allowed: a number of bytes >= 1, or a text such as '500MiB' or '2GB'")
    return int(min(size, sys.maxsize))


def peak_bytes(held: int, passes: int, recur: bool, large: int = 0) -> int:
    """The predicted peak in bytes of what is `held` (its `large` blocks counted in it) and of the passes.

    recur: whether passes are made more than once. The peak is the sum of both, although the largest scratch is needed
    when no pass runs: allocators keep what passes free, in pieces that are too small for the scratch.
    """
    buffers = min(max(0, held + passes - SMALL), BUFFERS)
    return large + int(SLACK * (held - large + passes)) + buffers + (min(passes, HOLES) if recur else 0)


def rows_that_fit(bytes_per_row: int, budget: int, rows: int) -> int:
    """How many rows, at most `rows`, fit in `budget` bytes; raises ValueError if not even one does."""
    if bytes_per_row > budget:
        raise ValueError(f"memory is {budget} bytes; allowed: at least {bytes_per_row}, which one row takes")
    return min(rows, budget // bytes_per_row)


def numel(params: dict[str, Tensor]) -> int:
    """Number of scalars in a dictionary of parameters."""
    return sum(p.numel() for p in params.values())
