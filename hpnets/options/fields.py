"""How the fields of option dataclasses are read and checked."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from hpnets.registry import nearest
from hpnets.validate import read


def read_fields(options: Any, prefix: str = "") -> None:
    """Read each field of a dataclass as its annotation asks for; ValueError names `prefix` and the field."""
    for f in fields(options):
        setattr(options, f.name, read(f"{prefix}{f.name}", getattr(options, f.name), f.type))


def check_names(given: dict[Any, Any], known: Iterable[str], prefix: str = "") -> None:
    """Raise ValueError with the nearest names for a key that is not among `known`."""
    for key in given:
        if key not in known:
            raise ValueError(f"there is no option {prefix}{key}; {nearest(str(key), known)}")
