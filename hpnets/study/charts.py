"""Pictures of a study: axes with labels, legends below the data, and lines that differ not by colour alone."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_whole
from hpnets.statistics import mean

# Eight colours after Okabe and Ito, which people with any colour vision can tell apart.
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
# More than colours, so that the ninth line does not look like the first.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "h", "p")
Style = dict[str, Any]


@contextmanager
def chart(path: Path, columns: int, title: str, rows: int = 1) -> Iterator[list[Any]]:
    """Yield the axes, row by row, of a figure that is then saved to `path`, with the same bytes from run to run.

    Legends go below their axes, and axes without data are left out. Raises ValueError for axes without a label of x or
    of y.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * columns, 4.2 * rows), layout="constrained")
    FigureCanvasSVG(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    yield axes
    for a in axes:
        _finish(a, path)
    figure.suptitle(title, parse_math=False)
    save_svg(figure, path)


def save_svg(figure: Any, path: Path) -> None:
    """Write a figure's svg whole, with text as text, and ids that depend on the content alone."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "hpnets", "svg.fonttype": "none"}):
        write_whole(path, lambda temporary: figure.savefig(temporary, format="svg", metadata={"Date": None}))


def _finish(axes: Any, path: Path) -> None:
    if not axes.has_data():
        axes.axis("off")
        return
    if not axes.get_xlabel() or not axes.get_ylabel():
        raise ValueError(f"axes {axes.get_title()!r} of {path.name} lack a label; allowed: one of x and one of y")
    axes.grid(alpha=0.3)
    names = axes.get_legend_handles_labels()[1]
    if names:
        columns = 1 if max(map(len, names)) > 24 else 2 if max(map(len, names)) > 12 else 3
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=columns, frameon=False, fontsize=8, handlelength=3
        )


def categories(names: Sequence[Any]) -> dict[Any, Style]:
    """A style (colour, dashes, marker) for each of several names without an order."""
    styles = zip(itertools.cycle(CATEGORIES), itertools.cycle(DASHES), itertools.cycle(MARKERS), strict=False)
    return {name: _style(*parts) for name, parts in zip(names, styles, strict=False)}


def shades(values: Sequence[Any]) -> dict[Any, Style]:
    """A style for each of several values with an order, such as widths, with colours along viridis."""
    import matplotlib

    steps = max(1, len(values) - 1)
    colours = [matplotlib.colormaps["viridis"](0.88 * i / steps) for i in range(len(values))]
    styles = zip(colours, itertools.cycle(DASHES), itertools.cycle(MARKERS), strict=False)
    return {value: _style(*parts) for value, parts in zip(values, styles, strict=True)}


def _style(colour: Any, dashes: Any, marker: str) -> Style:
    return {"color": colour, "linestyle": dashes, "marker": marker, "markersize": 4}


def without_marker(style: Style) -> Style:
    """The style without its marker, for a curve of many points."""
    return {**style, "marker": ""}


def band(axes: Any, x: Sequence[float], curves: Sequence[Sequence[float]], label: str, style: Style) -> None:
    """Draw the mean of the seeds' curves (seeds, len(x)), and a band from the least to the greatest."""
    columns = list(zip(*curves, strict=True))
    axes.plot(x, [math.fsum(c) / len(c) for c in columns], label=label, **style)
    low, high = [min(c) for c in columns], [max(c) for c in columns]
    axes.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)


def seeds_and_mean(axes: Any, numbers: Mapping[int, Sequence[float]], label: str, style: Style) -> None:
    """Draw every seed's number at its key, such as a width, on a log axis, and a line through the means."""
    log_ticks(axes, list(numbers))
    axes.plot(list(numbers), [mean(v) for v in numbers.values()], label=label, **style)
    for key, values in numbers.items():
        axes.plot([key] * len(values), values, ".", color=style["color"], ms=3, alpha=0.4)


def over_widths(axes: Any, quantities: Mapping[str, Mapping[int, Sequence[float]]], title: str, ylabel: str) -> None:
    """Draw several quantities of networks, each with a line through its means, over the width n, on log axes."""
    for (label, numbers), style in zip(quantities.items(), categories(list(quantities)).values(), strict=True):
        seeds_and_mean(axes, numbers, label, style)
    axes.set(title=title, xlabel="width n", ylabel=ylabel, yscale="log")


def log_ticks(axes: Any, keys: Sequence[int]) -> None:
    """Make the x axis logarithmic, with a tick at each key and at the keys of earlier calls."""
    ticks = sorted({*keys, *(axes.get_xticks() if axes.lines else ())})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
