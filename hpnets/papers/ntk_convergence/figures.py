"""Tables and pictures of the NTK convergence study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.ntk_convergence.cells import (
    ANGLES,
    FOUR,
    FOUR_TARGETS,
    components,
    four_limit,
    four_points,
    initial_kernel,
    trained_kernel,
)
from hpnets.papers.ntk_convergence.claims import TENTH
from hpnets.papers.ntk_convergence.sizes import Sizes
from hpnets.statistics import spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import band, categories, seeds_and_mean, shades, without_marker

ANGLE = [-math.pi + 2 * math.pi * i / ANGLES for i in range(ANGLES + 1)]
TRAINED = {
    "|K_T - K_0| / |K_0|": ("move",),
    "mean K_T / mean K_0": ("inflation",),
    "off its own kernel": ("finite",),
    "off the limit kernel": ("limit",),
}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    initial = spread_table(results.of(initial_kernel), ("width",), {f"{sizes.init_seeds} draws": ("error",)})
    trained = spread_table(results.of(trained_kernel), ("width",), TRAINED)
    kernels, fours, along = (
        Picture(f"{name}.svg", title, partial(draw, results, sizes), columns)
        for name, title, draw, columns in (
            ("kernels", "The kernel K((1, 0), .) over width n; mean and range over seeds", draw_kernels, 3),
            ("four", "Trained on four points", draw_four, len(sizes.four_widths)),
            ("components", "Digits: training along principal components", draw_components, 2),
        )
    )
    distance = "|K - limit| / |limit| of the row K((1, 0), .) on the circle."
    in_training = (
        f"Row K((1, 0), .) on the circle before and after {sizes.steps} steps of lr 1 on x1 x2 at {sizes.points} "
        "points; then how far the trained network is, on the circle, off the predictions of kernels."
    )
    text = (
        f"{sizes.samples} digits; f* = f_0 + 1/2 f(c) for the components c named. t in units of 1 / l, l the "
        "eigenvalue of the last; what is left of each component (1/2 at first), the same of the limit kernel, and "
        "the root mean square of what was learnt outside of them."
    )
    head = ("components", "n", "t l", "left", "left, limit kernel", "h_t")
    return [
        Figure("The kernel at initialisation", distance, *initial),
        Figure("In training", in_training, *trained, kernels),
        Figure("Four points", "Networks, and the limit's mean with 10th and 90th percentiles.", picture=fours),
        Figure("Principal components", text, head, tuple(component_rows(results)), along),
    ]


def component_rows(results: Results) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for (chosen, width), of in results.of(components).split("chosen", "width").items():
        for i, t in enumerate(of.items[0].at("times")):
            left = "; ".join(spread(of.values("left", i, j), ".2g") for j in range(len(chosen)))
            theory = "; ".join(f"{p:.2g}" for p in of.items[0].at("predicted", i))
            names, h = ", ".join(map(str, chosen)), spread(of.values("h", i), ".2g")
            rows.append((names, str(width), f"{t:.2f}", left, theory, h))
    return rows


def draw_kernels(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    row, size, off = axes
    of = results.of(trained_kernel)
    for width, style in shades(sizes.widths).items():
        for key, label, dashes in (("before", "at first", "-"), ("after", "trained", "--")):
            curves = of.by("width", key)[width]
            band(row, ANGLE, curves, f"n = {width}, {label}", without_marker(style) | {"linestyle": dashes})
    row.plot(ANGLE, results.of(initial_kernel).items[0].at("limit"), color="black", label="limit", lw=2, ls=":")
    row.set(title="on the circle", xlabel="angle, radians", ylabel="K((1, 0), (cos, sin) of the angle)")
    initial, moved, own, limit = categories(["initial", "move", "finite", "limit"]).values()
    seeds_and_mean(size, results.of(initial_kernel).by("width", "error"), "distance to the limit, at first", initial)
    seeds_and_mean(size, of.by("width", "move"), "move in training", moved)
    seeds_and_mean(off, of.by("width", "finite"), "its own kernel at first", own)
    seeds_and_mean(off, of.by("width", "limit"), "the limit kernel", limit)
    size.set(title="relative distances", xlabel="width n", ylabel="|difference| / |K|", yscale="log")
    off.set(
        title="trained network, off the prediction of", xlabel="width n", ylabel="distance / way gone", yscale="log"
    )


def draw_four(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    limit = results.of(four_limit).one()
    for a, width in zip(axes, sizes.four_widths, strict=True):
        for i, f in enumerate(results.of(four_points, width=width).values("f")):
            a.plot(ANGLE, f, color="tab:blue", lw=0.7, label="networks" if i == 0 else None)
        a.plot(ANGLE, limit["mean"], color="black", lw=2, label="limit: mean")
        for sign in (-1, 1):
            edge = [m + sign * TENTH * s for m, s in zip(limit["mean"], limit["std"], strict=True)]
            a.plot(ANGLE, edge, "--", color="black", lw=1, label="limit: 10%, 90%" if sign > 0 else None)
        at = [(x + math.pi) % (2 * math.pi) - math.pi for x in FOUR]
        a.plot(at, FOUR_TARGETS, "o", color="tab:red", label="data")
        a.set(title=f"n = {width}", xlabel="angle, radians", ylabel="f")


def draw_components(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    outside, rest = axes
    (style,) = categories(["h"]).values()
    seeds_and_mean(outside, results.of(components, chosen=[2]).by("width", "h", -1), "|h_T|", style)
    outside.set(title="learnt outside of component 2", xlabel="width n", ylabel="|h_T|, root mean square", yscale="log")
    cells = results.of(components, chosen=sizes.chosen, width=sizes.digit_widths[-1]).values()
    times = [0.0, *cells[0]["times"]]
    for j, (c, style) in enumerate(shades(sizes.chosen).items()):
        curves = [[0.5, *(abs(left[j]) for left in cell["left"])] for cell in cells]
        band(rest, times, curves, f"component {c}", without_marker(style))
        theory = [0.5, *(p[j] for p in cells[0]["predicted"])]
        rest.plot(times, theory, label=f"{c}, limit kernel", **style | {"linestyle": "", "markerfacecolor": "none"})
    xlabel = f"t in units of 1 / l_{sizes.chosen[-1]}"
    rest.set(title=f"n = {sizes.digit_widths[-1]}", xlabel=xlabel, ylabel="what is left", yscale="log", ylim=(1e-3, 1))
