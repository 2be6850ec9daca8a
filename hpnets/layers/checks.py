"""Argument checks whose errors name the argument, the value and what is allowed."""

import math
from collections.abc import Iterable
from typing import Any

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

    Where `any_size` is true, the axes after the first, the channels, may have other sizes than they had then.
    """

    def __init__(self, shape: tuple[int, ...], any_size: bool) -> None:
        self.shape, self.fixed = shape, 1 if any_size else len(shape)

    def __call__(self, net: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        for x in (*args, *kwargs.values()):
            if x.ndim != 1 + len(self.shape) or x.shape[1 : 1 + self.fixed] != self.shape[: self.fixed]:
                sizes: list[Any] = ["batch", *self.shape[: self.fixed], *["any"] * (len(self.shape) - self.fixed)]
                raise ValueError(f"x is {tuple(x.shape)}; allowed: ({', '.join(map(str, sizes))})")


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
