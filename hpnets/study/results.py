"""What cells returned, selected by function and options."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """What one cell returned: the name of its function, its options, and the value, all as json holds them."""

    function: str
    options: dict[str, Any]
    value: dict[str, Any]

    def at(self, *path: str | int) -> Any:
        """value[path[0]][path[1]].. ; the whole value without a path."""
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
        """Those of a function whose options have the values given; ValueError where there are none."""
        name = compute if isinstance(compute, str) else compute.__name__
        wanted = {key: as_json(value) for key, value in options.items()}
        chosen = tuple(r for r in self if r.function == name and all(_is(r, *item) for item in wanted.items()))
        if not chosen:
            raise ValueError(f"no result is of {name} with {wanted}; there are {self._summary(name)}")
        return Results(chosen)

    def values(self, *path: str | int) -> list[Any]:
        """What lies at `path` in each result."""
        return [result.at(*path) for result in self]

    def one(self, *path: str | int) -> Any:
        """What lies at `path` in the only result; ValueError if there are several."""
        if len(self) != 1:
            raise ValueError(f"one result was asked for; there are {len(self)} of {self.items[0].function}")
        return self.items[0].at(*path)

    def by(self, option: str, *path: str | int) -> dict[Any, list[Any]]:
        """{value of an option: what lies at `path` in each result with it}, in the order of the cells."""
        made: dict[Any, list[Any]] = {}
        for result in self:
            made.setdefault(result.options[option], []).append(result.at(*path))
        return made

    def split(self, option: str) -> dict[Any, "Results"]:
        """{value of an option: the results with it}, in the order of the cells."""
        values = dict.fromkeys(result.options[option] for result in self)
        return {value: Results(tuple(r for r in self if r.options[option] == value)) for value in values}

    def _summary(self, name: str) -> str:
        options = [r.options for r in self if r.function == name]
        return f"{len(options)} of it, such as with {options[0]}" if options else f"{len(self)} of other functions"


def as_json(value: Any) -> Any:
    """The value as json gives it back: tuples as lists."""
    return json.loads(json.dumps(value))


def _is(result: Result, key: str, value: Any) -> bool:
    return key in result.options and result.options[key] == value
