"""Argument checks whose errors name the argument, the value and what is allowed."""

import math
from collections.abc import Iterable

from torch import Tensor, nn

from hpnets.registry import nearest


def at_least(name: str, value: int, minimum: int) -> int:
    """`value`, if it is an int >= minimum; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name} is {value!r}; allowed: an integer >= {minimum}")
    return value


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """`value`, if it is allowed; else ValueError with the nearest."""
    options = list(allowed)
    if value not in options:
        raise ValueError(f"{name} is {value!r}: {nearest(str(value), options)}")
    return value


def boolean(name: str, value: bool) -> bool:
    """`value`, if it is a bool; else ValueError, so that the text "no" does not count as true."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; allowed: true or false")
    return value


def image_shape(input_shape: tuple[int, ...], minimum: int) -> tuple[int, int, int]:
    """`input_shape` as (C, H, W) with H and W at least `minimum`; else ValueError."""
    if len(input_shape) != 3 or min(input_shape[1:]) < minimum:
        raise ValueError(
            f"input_shape is {tuple(input_shape)}; allowed: images (channels, height, width) of at least "
            f"{minimum}x{minimum}"
        )
    c, h, w = input_shape
    return c, h, w


class SampleShape:
    """A forward pre-hook: ValueError for a batch whose samples are not of the shape that a net was built for.

    Where `least_side` is given, the axes after the first, the channels, may have any sizes from it on.
    """

    def __init__(self, shape: tuple[int, ...], least_side: int | None) -> None:
        self.shape, self.fixed, self.least = shape, 1 if least_side else len(shape), least_side or 1

    def __call__(self, net: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        for x in (*args, *kwargs.values()):
            fixed, free = x.shape[1 : 1 + self.fixed], x.shape[1 + self.fixed :]
            if x.ndim != 1 + len(self.shape) or fixed != self.shape[: self.fixed] or min(free, default=1) < self.least:
                sizes = ["batch", *map(str, self.shape[: self.fixed])]
                sizes += [f">= {self.least}"] * (len(self.shape) - self.fixed)
                raise ValueError(f"x is {tuple(x.shape)}; allowed: ({', '.join(sizes)})")


def finite(name: str, value: float) -> float:
    """`value`, if it is a finite number; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; allowed: a finite number")
    return value


def positive(name: str, value: float) -> float:
    """`value` as a float, if it is a finite number > 0; else ValueError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} is {value!r}; allowed: a finite number > 0")
    return float(value)
