"""Parameters that shell patterns name, by their own names or by those of the modules that hold them."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from torch import nn

from hpnets.validate import shown


def patterns_in(text: str) -> list[str]:
    """The different patterns of a text, parted by commas."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern matches a name or its beginning before a dot: "U.*", "U" and "U.0" match "U.0.weight"."""
    return any(fnmatchcase(part, pattern) for part in _beginnings(name))


def matching(option: str, pattern: str, names: Iterable[str]) -> list[str]:
    """The names of parameters that a pattern matches; ValueError by the option's name if there are none."""
    known = list(names)
    matched = [name for name in known if matches(name, pattern)]
    if not matched:
        owners = list(dict.fromkeys(name.rpartition(".")[0] or name for name in known))
        some = ", ".join(owners[:12]) + (", ..." if len(owners) > 12 else "")
        raise ValueError(f"{option} is {shown(pattern)}, which matches no parameter; allowed: patterns of {some}")
    return matched


def trained(net: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters with requires_grad, by name."""
    return {name: p for name, p in net.named_parameters() if p.requires_grad}


def _beginnings(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))
