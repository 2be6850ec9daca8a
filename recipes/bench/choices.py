"""What the command line of the benchmarks names: cases, peers, a device."""

from collections.abc import Iterable

from hpnets.registry import nearest


def names(kind: str, text: str, allowed: Iterable[str]) -> list[str]:
    """Names parted by commas, in their order; ValueError with the nearest for an unknown one."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in allowed:
            raise ValueError(f"unknown {kind} {name!r}; {nearest(name, allowed)}")
    return found


def device_of(name: str) -> str:
    """cpu or cuda; ValueError if there is no GPU."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no GPU; allowed: auto, cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
