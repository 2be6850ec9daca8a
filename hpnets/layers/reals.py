"""Checks of real-valued arguments."""

import math


def positive(name: str, value: float) -> float:
    """`value` as a float, if it is a finite number > 0; else ValueError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} is {value!r}; allowed: a finite number > 0")
    return float(value)
