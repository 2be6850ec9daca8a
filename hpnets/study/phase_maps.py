"""Phase maps: a number for each cell of a grid, as a heat map with the line at which a theory expects the change."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

Point = tuple[float, float]


def phase_map(
    axes: Any,
    cells: Mapping[Point, float],
    *,
    xlabel: str,
    ylabel: str,
    value: str,
    at_most: float,
    line: Sequence[Point] = (),
    predicted: str = "predicted",
) -> None:
    """Draw cells {(x, y): number}, a whole grid with x, y > 0, on log axes.

    Each cell shows its number, those of at most `at_most` are hatched, so that colour says nothing alone; `value` names
    the number with its unit. line: the (x, y) of a predicted boundary, `predicted` its name.

    Raises ValueError for a grid with holes or fewer than two values of x or y, and for what has no logarithm.
    """
    xs, ys = grid_of(cells)
    numbers = [[cells[x, y] for x in xs] for y in ys]
    axes.set(xscale="log", yscale="log")
    mesh = axes.pcolormesh(edges(xs), edges(ys), numbers, cmap="cividis", edgecolors="white", linewidth=0.5)
    for x, y in cells:
        _write(axes, mesh, x, y, cells[x, y])
    _hatch(axes, [point for point, number in cells.items() if number <= at_most], xs, ys, f"{value} <= {at_most:g}")
    if line:
        axes.plot(*zip(*line, strict=True), color="#D55E00", linestyle="--", lw=2, label=predicted)
    for axis, values in ((axes.xaxis, xs), (axes.yaxis, ys)):
        axis.set_ticks(values, [f"{v:g}" for v in values])
        axis.set_ticks([], minor=True)
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(edges(xs)[0], edges(xs)[-1]), ylim=(edges(ys)[0], edges(ys)[-1]))
    axes.figure.colorbar(mesh, ax=axes, label=value)


def grid_of(cells: Mapping[Point, float]) -> tuple[list[float], list[float]]:
    """The ascending x and y of a whole grid; raises ValueError as `phase_map` does."""
    xs, ys = (sorted({point[i] for point in cells}) for i in (0, 1))
    hole = next(((x, y) for x in xs for y in ys if (x, y) not in cells), None)
    if hole is not None:
        raise ValueError(f"cells lack {hole}; allowed: a number for each x with each y")
    if len(xs) < 2 or len(ys) < 2 or min(*xs, *ys) <= 0:
        raise ValueError(f"cells have x {xs} and y {ys}; allowed: two or more of each, all > 0")
    return xs, ys


def edges(values: Sequence[float]) -> list[float]:
    """The borders of cells around ascending values, halfway between them on a log axis."""
    logs = [math.log(v) for v in values]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(logs)]
    ends = (2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1])
    return [math.exp(v) for v in (ends[0], *middles, ends[1])]


def _write(axes: Any, mesh: Any, x: float, y: float, number: float) -> None:
    red, green, blue, _ = mesh.cmap(mesh.norm(number))
    dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
    colour = "white" if dark else "black"
    axes.text(x, y, f"{number:.1f}", ha="center", va="center", fontsize=7, color=colour, clip_on=True)


def _hatch(axes: Any, points: Sequence[Point], xs: Sequence[float], ys: Sequence[float], label: str) -> None:
    from matplotlib.patches import Rectangle

    sides = [dict(zip(values, itertools.pairwise(edges(values)), strict=True)) for values in (xs, ys)]
    for i, (x, y) in enumerate(points):
        (left, right), (low, high) = sides[0][x], sides[1][y]
        name = label if i == 0 else None
        axes.add_patch(
            Rectangle((left, low), right - left, high - low, fill=False, hatch="///", lw=0, alpha=0.35, label=name)
        )
