"""Pictures of a study: a row of axes, written as svg that does not change from run to run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_whole


@contextmanager
def chart(path: Path, columns: int, title: str, rows: int = 1) -> Iterator[list[Any]]:
    """The axes, row by row, of a figure that is saved to `path` at the end."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    FigureCanvasSVG(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    yield axes
    for a in axes:
        a.grid(alpha=0.3)
        if a.get_legend_handles_labels()[1]:
            a.legend(frameon=False, fontsize=8)
    figure.suptitle(title, parse_math=False)
    with matplotlib.rc_context({"svg.hashsalt": "hpnets"}):
        write_whole(path, lambda temporary: figure.savefig(temporary, format="svg", metadata={"Date": None}))


def colours(names: list[str]) -> dict[str, Any]:
    """A colour for each name, along viridis."""
    import matplotlib

    steps = max(1, len(names) - 1)
    return {name: matplotlib.colormaps["viridis"](0.92 * i / steps) for i, name in enumerate(names)}


def band(axes: Any, x: list[float], curves: list[list[float]], label: str, **style: Any) -> None:
    """The mean of the seeds' curves, (seeds, len(x)), with a band from the least to the greatest."""
    columns = list(zip(*curves, strict=True))
    (line,) = axes.plot(x, [sum(c) / len(c) for c in columns], label=label, **style)
    axes.fill_between(x, [min(c) for c in columns], [max(c) for c in columns], color=line.get_color(), alpha=0.2, lw=0)
