"""Pictures of the zoo: networks' metrics against their parameters, their spectra, and their drift against width."""

import json
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_whole
from hpnets.report.zoo import Entry, metric_of

OURS, TWIN, PLAIN = "tab:blue", "tab:orange", "tab:gray"


def draw_metric(entries: list[Entry], path: Path) -> None:
    """Draw the metric of one task's networks against their parameters, each joined with its additive twin."""
    figure, axes = _figure((10, 6.5))
    name = metric_of(entries[0])
    axes.set(xscale="log", xlabel="parameters", ylabel=f"{name}, mean and std of 3 seeds")
    if name.endswith("mse"):
        axes.set_yscale("log")
    for entry in entries:
        ours, twin = entry["metrics"][name], entry["twin"] and entry["twin"]["metrics"][name]
        x = entry["parameters"]
        colour = OURS if twin else PLAIN
        axes.errorbar(x, ours["mean"], ours["std"], color=colour, fmt="o", markersize=4, capsize=2, lw=0.8)
        if twin:
            axes.errorbar(x, twin["mean"], twin["std"], color=TWIN, fmt="o", markersize=3, capsize=2, lw=0.8)
            axes.plot([x, x], [ours["mean"], twin["mean"]], color=TWIN, lw=0.5, alpha=0.5)
    sizes, twins = {entry["parameters"] for entry in entries}, {bool(entry["twin"]) for entry in entries}
    if len(sizes) == 1:  # a log axis of one size has no limits of its own
        axes.set_xlim(min(sizes) / 3, 3 * max(sizes))
    for label, colour in {"with a product": OURS, "additive twin": TWIN, "no twin": PLAIN}.items():
        if (label != "no twin") in twins:
            axes.plot([], [], "o", color=colour, label=label)
    axes.legend(frameon=False, loc="lower right")
    axes.grid(alpha=0.3)
    figure.draw_without_rendering()  # lays out the axes, so that _label sees the final places of points
    _label(axes, [(e["parameters"], e["metrics"][name]["mean"], e["model"]["name"]) for e in entries])
    _save(figure, path)


def _label(axes: Any, points: list[tuple[float, float, str]]) -> None:
    """Write each name beside its point, at the first of ten places where it covers no earlier name."""
    taken: list[tuple[float, float, float]] = []
    for x, y, text in sorted(points):
        across, up = axes.transData.transform((x, y))
        width = 5.0 * len(text)
        places = [(4, dy) for dy in (2, -8, 11, -17, 20, -26)] + [(-4 - width, dy) for dy in (2, -8, 11, -17)]
        dx, dy = next((place for place in places if _is_free(across + place[0], up + place[1], width, taken)), (4, 2))
        taken.append((across + dx, up + dy, width))
        axes.annotate(text, (x, y), (dx, dy), textcoords="offset points", fontsize=7)


def _is_free(across: float, up: float, width: float, taken: list[tuple[float, float, float]]) -> bool:
    return not any(abs(up - u) < 9 and across < a + w and a < across + width for a, u, w in taken)


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
    _save(figure, path)


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
    _save(figure, path)


def _handles(colours: dict[str, str]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour) for colour in colours.values()], list(colours)


def _figure(size: tuple[float, float], rows: int = 0, columns: int = 0) -> tuple[Any, Any]:
    """A figure for svg, and its one axes, or a flat list of rows x columns axes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=72)  # a pixel is a point
    FigureCanvasSVG(figure)
    if not rows:
        return figure, figure.subplots()
    return figure, list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)


def _save(figure: Any, path: Path) -> None:
    """Write the svg file atomically, with text as text, and with ids that depend on the content alone."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "hpnets", "svg.fonttype": "none"}):
        write_whole(path, lambda temporary: figure.savefig(temporary, format="svg", metadata={"Date": None}))
