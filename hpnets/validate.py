"""A value from a person (a file, a command line, a call) read as a type asks, checked, or refused by name; no torch."""

import math
import re
import sys
from collections.abc import Iterable
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hpnets.registry import nearest

# Types in words, one of them and several.
WORDS: dict[Any, tuple[str, str]] = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "flags"),
    str: ("a text", "names"),
    NoneType: ("null", "nulls"),
    dict: ("options by name", "options"),
}
_UNFIT = object()
# The largest integer that torch takes, and the largest that is a float.
LARGEST = {int: 2**63 - 1, float: int(sys.float_info.max)}


def read(name: str, value: Any, kind: Any) -> Any:
    """`value` as the annotation `kind` asks for; ValueError with the name, the value and the types allowed.

    A number may be a text, as yaml takes 1e-4 for one, and False the "off" that yaml takes it for; an integer is a
    number. Lists stay lists and tuples tuples. An annotation that is no plain type allows any value.
    """
    for option in _alternatives(kind):
        fit = _as(value, option)
        if fit is not _UNFIT:
            return fit
    raise ValueError(f"{name} is {shown(value)}; allowed: {in_words(kind)}")


def require(holds: bool, name: str, value: object, allowed: str) -> None:
    """ValueError "`name` is `value`; allowed: `allowed`" unless what is required holds."""
    if not holds:
        raise ValueError(f"{name} is {shown(value)}; allowed: {allowed}")


def require_shape(holds: bool, name: str, array: Any, allowed: str) -> None:
    """ValueError "`name` has shape (...); allowed: `allowed`" unless what is required of an array or tensor holds."""
    if not holds:
        raise ValueError(f"{name} has shape {tuple(array.shape)}; allowed: {allowed}")


def at_least(name: str, value: int, minimum: int) -> int:
    """`value` as an int, if it is an integer >= minimum; else ValueError."""
    fits = isinstance(value, Integral) and not isinstance(value, bool) and value >= minimum
    require(fits, name, value, f"an integer >= {minimum}")
    return int(value)


def finite(name: str, value: float, minimum: float = -math.inf) -> float:
    """`value` as a float, if it is a finite number >= minimum; else ValueError."""
    bound = "" if minimum == -math.inf else f" >= {minimum:g}"
    require(_is_finite(value) and value >= minimum, name, value, f"a finite number{bound}")
    return float(value)


def positive(name: str, value: float) -> float:
    """`value` as a float, if it is a finite number > 0; else ValueError."""
    require(_is_finite(value) and value > 0, name, value, "a finite number > 0")
    return float(value)


def boolean(name: str, value: bool) -> bool:
    """`value`, if it is a bool; else ValueError, so that the text "no" does not count as true."""
    require(isinstance(value, bool), name, value, "true or false")
    return value


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """`value`, if it is allowed; else ValueError with the nearest."""
    options = list(allowed)
    if value not in options:
        raise ValueError(f"{name} is {shown(value)}; {nearest(str(value), options)}")
    return value


def image_shape(input_shape: tuple[int, ...], minimum: int) -> tuple[int, int, int]:
    """`input_shape` as (C, H, W) with H and W at least `minimum`; else ValueError."""
    fits = len(input_shape) == 3 and min(input_shape[1:]) >= minimum
    sizes = f"images (channels, height, width) of at least {minimum}x{minimum}"
    require(fits, "input_shape", tuple(input_shape), sizes)
    c, h, w = input_shape
    return c, h, w


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: object) -> str:
    """A value as messages show it: on one line, and cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def in_words(kind: Any) -> str:
    """The types that an annotation allows, as messages name them."""
    return ", ".join(dict.fromkeys(word for option in _alternatives(kind) for word in _words(option)))


def list_in_words(item: Any) -> str:
    """What a list of such items is called."""
    return f"a list of {WORDS[item][1] if item in WORDS else 'values'}"


def _words(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [repr(choice) for choice in get_args(kind)]
    if (get_origin(kind) or kind) in (list, tuple):
        return [list_in_words((*get_args(kind), Any)[0])]
    return [WORDS[kind][0] if kind in WORDS else WORDS[dict][0]]


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _as(value: Any, kind: Any) -> Any:
    """`value` as one type, or _UNFIT."""
    origin = get_origin(kind) or kind
    if origin is Literal:
        return _choice(value, get_args(kind))
    if origin in (list, tuple):
        return _sequence(value, get_args(kind) or (Any, ...))
    if origin in (int, float):
        return _number(value, origin)
    return value if origin is Any or not isinstance(origin, type) or isinstance(value, origin) else _UNFIT


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if value is False and "off" in choices:
        return "off"
    return value if any(value == choice and type(value) is type(choice) for choice in choices) else _UNFIT


def _sequence(value: Any, items: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple) or (len(items) > 1 and items[-1] is not ... and len(value) != len(items)):
        return _UNFIT
    read_items = [_as(item, items[0]) for item in value]
    return _UNFIT if any(item is _UNFIT for item in read_items) else type(value)(read_items)


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, str):
        return _parsed(value, kind)
    if isinstance(value, bool) or not isinstance(value, Integral if kind is int else Real):
        return _UNFIT
    if isinstance(value, Integral) and abs(int(value)) > LARGEST[kind]:
        return _UNFIT
    return value if isinstance(value, int | float) else kind(value)


def _parsed(text: str, kind: type) -> Any:
    if kind is int:
        return _number(int(text), int) if re.fullmatch(r"[+-]?\d{1,19}", text) else _UNFIT
    number = float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else math.nan
    return number if math.isfinite(number) else _UNFIT
