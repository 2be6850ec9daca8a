"""Checks of constructor options: the value if it is allowed, a ValueError that says what is allowed if not."""

import math
from numbers import Integral, Real


def integer(name: str, value: int, low: int) -> int:
    """`value`; raises ValueError unless it is an integer >= low."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(f"{name}={value!r}: allowed are integers of at least {low}")
    return int(value)


def number(name: str, value: float, low: float = -math.inf) -> float:
    """`value`; raises ValueError unless it is a finite number >= low."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < low:
        bound = "" if low == -math.inf else f" of at least {low:g}"
        raise ValueError(f"{name}={value!r}: allowed are finite numbers{bound}")
    return float(value)


def flag(name: str, value: bool) -> bool:
    """`value`; raises ValueError unless it is a bool, so that the text "false" does not count as true."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: allowed are true and false")
    return value
