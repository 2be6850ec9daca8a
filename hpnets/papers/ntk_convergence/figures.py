"""Tables and pictures of the NTK convergence study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.ntk_convergence import cells
from hpnets.papers.ntk_convergence.cells import ANGLES, FOUR, FOUR_TARGETS, components, initial_kernel, trained_kernel
from hpnets.papers.ntk_convergence.claims import TENTH
from hpnets.papers.ntk_convergence.sizes import Sizes
from hpnets.papers.parts.components import HEAD, component_rows, draw_rests
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import band, over_widths, shades, without_marker

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
    distance = "|K - limit| / |limit| of the row K((1, 0), .) on the circle."
    percentiles = "Networks, and the limit's mean with 10th and 90th percentiles."
    fours = Picture("four.svg", "Trained on four points", partial(draw_four, results, sizes), len(sizes.four_widths))
    return [
        Figure("The kernel at initialisation", distance, *initial),
        in_training(results, sizes),
        Figure("Four points", percentiles, picture=fours),
        principal(results, sizes),
    ]


def in_training(results: Results, sizes: Sizes) -> Figure:
    text = (
        f"Row K((1, 0), .) on the circle before and after {sizes.steps} steps of lr 1 on x1 x2 at {sizes.points} "
        "points; then how far the trained network is, on the circle, off the predictions of kernels."
    )
    title = "The kernel K((1, 0), .) over width n; mean and range over seeds"
    picture = Picture("kernels.svg", title, partial(draw_kernels, results, sizes), 3)
    return Figure("In training", text, *spread_table(results.of(trained_kernel), ("width",), TRAINED), picture)


def draw_kernels(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    row, size, off = axes
    of = results.of(trained_kernel)
    for width, style in shades(sizes.widths).items():
        for key, label, dashes in (("before", "at first", "-"), ("after", "trained", "--")):
            curves = of.by("width", key)[width]
            band(row, ANGLE, curves, f"n = {width}, {label}", without_marker(style) | {"linestyle": dashes})
    row.plot(ANGLE, results.of(initial_kernel).items[0].at("limit"), color="black", label="limit", lw=2, ls=":")
    row.set(title="on the circle", xlabel="angle, radians", ylabel="K((1, 0), (cos, sin) of the angle)")
    errors, moves = results.of(initial_kernel).by("width", "error"), of.by("width", "move")
    distances = {"distance to the limit, at first": errors, "move in training": moves}
    over_widths(size, distances, "relative distances", "|difference| / |K|")
    own, limit = of.by("width", "finite"), of.by("width", "limit")
    predictions = {"its own kernel at first": own, "the limit kernel": limit}
    over_widths(off, predictions, "trained network, off the prediction of", "distance / way gone")


def draw_four(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    limit = results.of(cells.four_limit).one()
    for a, width in zip(axes, sizes.four_widths, strict=True):
        for i, f in enumerate(results.of(cells.four_points, width=width).values("f")):
            a.plot(ANGLE, f, color="tab:blue", lw=0.7, label="networks" if i == 0 else None)
        a.plot(ANGLE, limit["mean"], color="black", lw=2, label="limit: mean")
        for sign in (-1, 1):
            edge = [m + sign * TENTH * s for m, s in zip(limit["mean"], limit["std"], strict=True)]
            a.plot(ANGLE, edge, "--", color="black", lw=1, label="limit: 10%, 90%" if sign > 0 else None)
        at = [(x + math.pi) % (2 * math.pi) - math.pi for x in FOUR]
        a.plot(at, FOUR_TARGETS, "o", color="tab:red", label="data")
        a.set(title=f"n = {width}", xlabel="angle, radians", ylabel="f")


def principal(results: Results, sizes: Sizes) -> Figure:
    text = (
        f"{sizes.samples} digits; f* = f_0 + 1/2 f(c) for the components c named. t in units of 1 / l, l the "
        "eigenvalue of the last; what is left of each component (1/2 at first), the same of the limit kernel, and "
        "the root mean square of what was learnt outside of them."
    )
    title = "Digits: training along principal components"
    picture = Picture("components.svg", title, partial(draw_components, results, sizes), 2)
    return Figure("Principal components", text, HEAD, component_rows(results.of(components)), picture)


def draw_components(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    outside, rest = axes
    h = results.of(components, chosen=[2]).by("width", "h", -1)
    over_widths(outside, {"|h_T|": h}, "learnt outside of component 2", "|h_T|, root mean square")
    width = sizes.digit_widths[-1]
    draw_rests(rest, results.of(components, chosen=sizes.chosen, width=width).values(), sizes.chosen)
    rest.set(title=f"n = {width}")
