"""Pictures of several runs: one line a group of seeds, its mean with a band from the least to the greatest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from hpnets.report.inline_svg import SERIES, inline_svg, panels, plot_series
from hpnets.report.run_groups import RunGroup
from hpnets.statistics import mean
from hpnets.study.charts import categories, without_marker

PANELS = {"train/loss": "train loss", "val/{metric}": "val {metric}", "ntk/drift": "kernel drift from step 0"}
PANELS |= {"ntk/effective_rank": "effective rank", "curvature/sharpness": "sharpness", "lr": "learning rate"}
MOST = 20  # groups drawn; more lines than that cannot be told apart


def draw_groups(groups: Sequence[RunGroup]) -> Markup:
    """The curves of the first 20 groups over the steps, with one picture for each thing that they logged."""
    drawn = list(groups[:MOST])
    return panels(_draw(f"groups-{i}", key, title, drawn) for i, (key, title) in enumerate(shared(drawn).items(), 1))


def shared(groups: Sequence[RunGroup]) -> dict[str, str]:
    """The columns of metrics.csv that are drawn, with their titles: those that some run logged; lr where it changes."""
    metrics = sorted({group.runs[0].metric for group in groups})
    named = {key.format(metric=m): title.format(metric=m) for key, title in PANELS.items() for m in metrics}
    values = {key: [v for g in groups for run in g.runs for v in run.curve(key)[1]] for key in named}
    return {key: title for key, title in named.items() if values[key] and (key != "lr" or len(set(values[key])) > 1)}


def _draw(name: str, key: str, title: str, groups: Sequence[RunGroup]) -> Markup:
    def draw(axes: Any) -> None:
        for index, (group, style) in enumerate(zip(groups, _styles(groups), strict=True)):
            _line(axes, index, [run.curve(key) for run in group.runs], style)
        axes.set(title=title, xlabel="step")
        low, high = axes.dataLim.y0, axes.dataLim.y1
        axes.set_yscale("log" if low > 0 and high > 20 * low else "linear")
        axes.grid(alpha=0.3)

    last = [(group.label, [run.last(key) for run in group.runs]) for group in groups]
    told = [f"{label}: {mean([v for v in values if v is not None]):.3g}" for label, values in last if any(values)]
    return inline_svg(name, f"{title} over the steps", f"At the end, {'; '.join(told)}.", draw)


def legend(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    """For each group that is drawn: its index, label, colour and dashes, as the page's legend shows them."""
    dashes = {"-": "", "--": "7 4", "-.": "7 3 2 3", ":": "2 3"}
    return [
        {
            "index": index,
            "label": group.label,
            "runs": len(group.runs),
            "colour": "currentColor" if style["color"] == "#000000" else style["color"],
            "dashes": dashes.get(style["linestyle"], "5 2 1 2") if isinstance(style["linestyle"], str) else "5 2 1 2",
        }
        for index, (group, style) in enumerate(zip(groups[:MOST], _styles(groups[:MOST]), strict=True))
    ]


def _styles(groups: Sequence[RunGroup]) -> list[dict[str, Any]]:
    return list(categories(range(len(groups))).values())


def _line(axes: Any, index: int, curves: Sequence[tuple[list[float], list[float]]], style: dict[str, Any]) -> None:
    """The mean of the curves on the steps that all of them have, and a band; a single curve is drawn as it is."""
    curves = [curve for curve in curves if curve[0]]
    if not curves:
        return
    common = sorted(set.intersection(*(set(steps) for steps, _ in curves)))
    values = np.array([[dict(zip(*curve, strict=True))[step] for step in common] for curve in curves])
    if not common:
        common, values = curves[0][0], np.array([curves[0][1]])
    plot_series(axes, index, common, values.mean(0), **without_marker(style))
    if len(values) > 1:
        band = axes.fill_between(common, values.min(0), values.max(0), color=style["color"], alpha=0.15, lw=0)
        band.set_gid(f"{SERIES}{index}")
