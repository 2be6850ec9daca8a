"""Names of cases, peers and the like on the benchmarks' command line."""

from collections.abc import Iterable

from hpnets.registry import nearest


def names(kind: str, text: str, allowed: Iterable[str]) -> list[str]:
    """The names in a text parted by commas, in their order; ValueError with the nearest names for an unknown one."""
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    for name in chosen:
        if name not in allowed:
            raise ValueError(f"unknown {kind} {name!r}; {nearest(name, allowed)}")
    return chosen
