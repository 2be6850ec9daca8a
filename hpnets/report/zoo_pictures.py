"""Pictures of the zoo: networks' metrics beside their twins', their spectra, and their drift against width."""

import json
from pathlib import Path
from typing import Any

from hpnets.report.zoo import Entry, metric_of
from hpnets.statistics import half_width
from hpnets.study.charts import save_svg

OURS, TWIN, PLAIN = "tab:blue", "tab:orange", "tab:gray"


def draw_metric(entries: list[Entry], path: Path) -> None:
    """Draw a row a network: its metric beside its additive twin's, and their difference with its interval.

    entries: those of one metric; the first is drawn on top.
    """
    name, rows = metric_of(entries[0]), range(len(entries), 0, -1)
    figure, (left, right) = _figure((10, 1.4 + 0.24 * len(entries)), 1, 2, share=False)
    for row, entry in zip(rows, entries, strict=True):
        twin = entry["twin"]
        if twin:
            _bar(left, twin["metrics"][name], row - 0.15, TWIN, twin["metrics"][name]["std"])
            gain = twin["difference"][name]
            _bar(right, gain, row, OURS, half_width(gain["std"], len(twin["seeds"])))
        own = entry["metrics"][name]
        _bar(left, own, row + 0.15, OURS if twin else PLAIN, own["std"])
    left.set_yticks(rows, [entry["model"]["name"] for entry in entries], fontsize=7)
    left.set_xlabel(f"{name}, mean and std of the seeds")
    right.set_yticks(rows, [""] * len(entries))
    right.axvline(0, color="black", lw=0.8)
    right.set_xlabel("network minus twin, 95% interval")
    shown = {"with a product": OURS, "additive twin": TWIN} if any(e["twin"] for e in entries) else {}
    shown |= {} if all(e["twin"] for e in entries) else {"no twin": PLAIN}
    for axes in (left, right):
        axes.set_ylim(0.3, len(entries) + 0.7)
        axes.grid(alpha=0.3)
    figure.legend(*_handles(shown, "o"), frameon=False, loc="outside upper center", ncols=3, fontsize=8)
    save_svg(figure, path)


def _bar(axes: Any, value: dict[str, float], row: float, colour: str, half: float) -> None:
    axes.errorbar(value["mean"], row, xerr=half, color=colour, fmt="o", markersize=3.5, capsize=2, lw=0.8)


def draw_spectra(spectra: dict[str, Any], path: Path, columns: int = 5) -> None:
    """Draw one panel a network: l_k / sum_j l_j of the kernels of it and its additive twin, trained, a line a seed."""
    names = list(spectra)
    rows = max(1, -(-len(names) // columns))
    figure, grid = _figure((2.4 * columns, 2.1 * rows), rows, columns)
    for axes, name in zip(grid, names, strict=False):
        for side, colour in (("twin", TWIN), ("ours", OURS)):
            for values in spectra[name][side]:
                shown = [value / sum(values) for value in values if value > 1e-6 * values[0]]
                axes.loglog(range(1, len(shown) + 1), shown, color=colour, lw=1)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=6, labelbottom=True)
        axes.grid(alpha=0.3)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    grid[0].legend(*_handles({"product": OURS, "sum": TWIN}), frameon=False, fontsize=7, loc="lower left")
    figure.supxlabel("rank k", fontsize=8)
    figure.supylabel("eigenvalue / trace", fontsize=8)
    save_svg(figure, path)


def draw_width(file: Path, path: Path) -> None:
    """Draw kernel drift after training against width, mean and standard deviation over the seeds, from width.json."""
    drifts = json.loads(file.read_text())["drift"]
    figure, axes = _figure((7, 4.5))
    axes.set(xscale="log", yscale="log")
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    for model, points in drifts.items():
        widths, means, stds = zip(*[(int(w), p["mean"], p["std"]) for w, p in points.items()], strict=True)
        axes.errorbar(widths, means, stds, marker="o", capsize=3, label=model)
        axes.set_xticks(widths, [str(width) for width in widths])
    axes.set(xlabel="width", ylabel="|K_T - K_0| / |K_0|, mean and std over the seeds")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3, which="both")
    save_svg(figure, path)


def _handles(colours: dict[str, str], marker: str = "") -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour, marker=marker, markersize=3.5) for colour in colours.values()], list(colours)


def _figure(size: tuple[float, float], rows: int = 0, columns: int = 0, share: bool = True) -> tuple[Any, Any]:
    """A figure for svg, and its one axes, or a flat list of rows x columns axes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=72)  # a pixel is a point
    FigureCanvasSVG(figure)
    if not rows:
        return figure, figure.subplots()
    return figure, list(figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).flat)
