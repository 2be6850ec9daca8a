"""What the command line of the benchmarks names: cases, peers."""

from collections.abc import Iterable

from hpnets.registry import nearest


def names(kind: str, text: str, allowed: Iterable[str]) -> list[str]:
    """Names parted by commas, in their order; ValueError with the nearest for an unknown one."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in allowed:
            raise ValueError(f"unknown {kind} {name!r}; {nearest(name, allowed)}")
    return found
