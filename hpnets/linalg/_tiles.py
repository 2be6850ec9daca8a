"""Slices of a range, by which large matrices are worked on a few rows at a time."""


def tiles(n: int, size: int) -> list[slice]:
    """Consecutive slices of at most `size` that cover range(n)."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
