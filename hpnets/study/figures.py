"""A figure: a heading with its text, its table and its picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpnets.statistics import spread
from hpnets.study.charts import chart
from hpnets.study.results import Results


@dataclass(frozen=True)
class Picture:
    """An svg of rows x columns axes; `draw` fills them and gives each a label of x and of y."""

    name: str
    title: str
    draw: Callable[[list[Any]], object]
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Figure:
    """A part of the page, with a table and a picture where there is one."""

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
        """What results.json holds of it."""
        rows = [list(row) for row in self.rows]
        name = self.picture.name if self.picture else ""
        return {"title": self.title, "text": self.text, "head": list(self.head), "rows": rows, "picture": name}


def spread_table(
    results: Results, by: Sequence[str], columns: Mapping[str, Sequence[str | int]], form: str = ".3g"
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows: a row a combination of the options `by`, in each column the spread of what lies at its path.

    A list at the path holds a value a seed; a number is one of a seed's own cell.
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
