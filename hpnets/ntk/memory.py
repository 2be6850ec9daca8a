"""Byte budgets, and the tiles that keep within them."""

import re

from torch import Tensor

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def parse_bytes(memory: str | int) -> int:
    """Bytes from an int or a text such as "500MiB"; raises ValueError for anything else or for less than 1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", str(memory) + ("B" if isinstance(memory, int) else ""))
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise ValueError(f"memory is {memory!r}; allowed: a number of bytes, or a text such as '500MiB' or '2GiB'")
    return int(float(match[1]) * unit)


def rows_that_fit(bytes_per_row: int, budget: int, rows: int) -> int:
    """Rows of a tile, at most `rows`, within `budget` bytes; raises ValueError if not even one fits."""
    if bytes_per_row > budget:
        raise ValueError(f"memory is {budget} bytes, but one row takes {bytes_per_row}; raise memory to at least that")
    return min(rows, budget // bytes_per_row)


def tiles(n: int, size: int) -> list[slice]:
    """Consecutive slices of at most `size` that cover range(n)."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def numel(params: dict[str, Tensor]) -> int:
    """Number of scalars in a dictionary of parameters."""
    return sum(p.numel() for p in params.values())
