"""The picture of a benchmark: seconds by case and peer."""

from pathlib import Path
from textwrap import wrap
from typing import Any

from hpnets.study.charts import save_svg


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw bars on a log axis, a group for each case, with the spread of the calls, and the bound as a line."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    cases = results["cases"]
    names = list(dict.fromkeys(["hpnets.ntk", *(peer for case in cases.values() for peer in case["peers"])]))
    colours = dict(zip(names, ["black", *map(matplotlib.colormaps["tab10"], range(10))], strict=False))
    for i, case in enumerate(cases.values()):
        bars(axes, i, {"hpnets.ntk": case["ours"], **case["peers"]}, colours)
        bound = case["bound"]["seconds"]
        axes.plot([i - 0.42, i + 0.42], [bound, bound], "--", color="grey", label="bound" if i == 0 else None)
    axes.set_yscale("log")
    axes.set_ylim(top=3 * axes.get_ylim()[1])  # room for the numbers above the bars
    axes.set_xticks(range(len(cases)), ["\n".join(wrap(case["title"], 26)) for case in cases.values()], fontsize=8)
    axes.set(ylabel="seconds a full kernel", title=f"Empirical NTK, float32, {results['environment']['device']}")
    axes.grid(axis="y", alpha=0.3)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    order = [name for name in [*names, "bound"] if name in handles]
    figure.legend([handles[name] for name in order], order, loc="outside right upper", frameon=False)
    save_svg(figure, path)


def bars(axes: Any, group: int, measured: dict[str, dict[str, Any]], colours: dict[str, Any]) -> None:
    """Draw a group of bars around x = group; a contender that was not measured leaves its place empty."""
    width = 0.84 / len(colours)
    for place, (name, colour) in enumerate(colours.items()):
        times = measured.get(name, {}).get("seconds")
        if not times:
            continue
        middle = measured[name]["median"]
        x = group + (place - (len(colours) - 1) / 2) * width
        label = name if name not in axes.get_legend_handles_labels()[1] else None
        axes.bar(x, middle, width, color=colour, label=label)
        axes.errorbar(x, middle, [[middle - min(times)], [max(times) - middle]], color="grey", linewidth=1)
        axes.text(x, max(times), f" {float(f'{middle:.2g}'):g}", ha="center", va="bottom", rotation=90, fontsize=7)
