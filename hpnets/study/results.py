"""Results are what cells returned; they are selected by function and options."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """The result of one cell: the name of its function, its options, and the value that it returned, as in json."""

    function: str
    options: dict[str, Any]
    value: dict[str, Any]

    def at(self, *path: str | int) -> Any:
        """value[path[0]][path[1]].., or the whole value without a path."""
        value: Any = self.value
        for key in path:
            value = value[key]
        return value


@dataclass(frozen=True)
class Results:
    """Results in the order of their cells."""

    items: tuple[Result, ...]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def of(self, compute: Callable[..., Any] | str, **options: Any) -> "Results":
        """The results of a function whose options have the given values; raises ValueError if there are none."""
        name = compute if isinstance(compute, str) else compute.__name__
        wanted = {key: as_json(value) for key, value in options.items()}
        chosen = tuple(r for r in self if r.function == name and all(_is(r, *item) for item in wanted.items()))
        if not chosen:
            raise ValueError(f"no result is of {name} with {wanted}; there are {self._summary(name)}")
        return Results(chosen)

    def values(self, *path: str | int) -> list[Any]:
        """The value at `path` in each result."""
        return [result.at(*path) for result in self]

    def one(self, *path: str | int) -> Any:
        """The value at `path` in the only result; raises ValueError if there are several results."""
        if len(self) != 1:
            raise ValueError(f"one result was asked for; there are {len(self)} of {self.items[0].function}")
        return self.items[0].at(*path)

    def by(self, option: str, *path: str | int) -> dict[Any, list[Any]]:
        """{value of an option: the values at `path` in the results with it}, in the order of the cells."""
        return {key: part.values(*path) for key, part in self.split(option).items()}

    def split(self, *options: str) -> "dict[Any, Results]":
        """{value of an option, or a tuple of several options' values: the results with it}; a list becomes a tuple."""
        parts: dict[Any, list[Result]] = {}
        for result in self:
            key = tuple(_as_key(result.options[option]) for option in options)
            parts.setdefault(key[0] if len(options) == 1 else key, []).append(result)
        return {key: Results(tuple(part)) for key, part in parts.items()}

    def _summary(self, name: str) -> str:
        options = [r.options for r in self if r.function == name]
        return f"{len(options)} of it, such as with {options[0]}" if options else f"{len(self)} of other functions"


def as_json(value: Any) -> Any:
    """The value as json gives it back, with lists for tuples."""
    return json.loads(json.dumps(value))


def _as_key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is(result: Result, key: str, value: Any) -> bool:
    return key in result.options and result.options[key] == value
