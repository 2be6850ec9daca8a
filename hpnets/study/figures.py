"""A figure is a heading of the page with its text, its table and its picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpnets.statistics import spread
from hpnets.study.charts import chart
from hpnets.study.results import Results


@dataclass(frozen=True)
class Picture:
    """An svg with rows x columns axes; `draw` fills them, and gives each a label of x and of y."""

    name: str
    title: str
    draw: Callable[[list[Any]], object]
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Figure:
    """A part of the page, with a table and a picture if there are any."""

    title: str
    text: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    picture: Picture | None = None

    def draw(self, folder: Path) -> None:
        """Write the picture, if there is one, into the folder."""
        if p := self.picture:
            with chart(folder / p.name, p.columns, p.title, p.rows) as axes:
                p.draw(axes)

    def as_json(self) -> dict[str, Any]:
        """The figure as results.json holds it."""
        rows = [list(row) for row in self.rows]
        name = self.picture.name if self.picture else ""
        return {"title": self.title, "text": self.text, "head": list(self.head), "rows": rows, "picture": name}


def spread_table(
    results: Results, by: Sequence[str], columns: Mapping[str, Sequence[str | int]], form: str = ".3g"
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and rows of a table: one row for each combination of the options `by`.

    columns: by heading, the path of the values whose spread is shown. A list at the path holds one value for each seed;
    a number is that of one seed's own cell.
    """
    groups: dict[tuple[Any, ...], list[list[float]]] = {}
    for result in results:
        row = groups.setdefault(tuple(result.options[name] for name in by), [[] for _ in columns])
        for values, path in zip(row, columns.values(), strict=True):
            value = result.at(*path)
            values.extend(value if isinstance(value, list) else [value])
    rows = [(*map(_option, key), *(spread(values, form) for values in row)) for key, row in groups.items()]
    return (*by, *columns), tuple(rows)


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
