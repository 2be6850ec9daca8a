"""Tables and pictures of the study of two curves."""

import math
from functools import partial
from typing import Any

from hpnets.papers.curves.cells import PLAIN, decay, even, irregular, random_curves, shape, trained
from hpnets.papers.curves.sizes import Sizes
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories, log_ticks, shades, without_marker

NAMES = {"mlp": "depth L", "pnn": "pnn of degree N", "pnn_skip": "pnn_skip", "ccp": "ccp", "pnn-sum": "twin of pnn"}
BY, FIT = ("curve", "network", "size"), {"|g|": ("raw",), "at unit diagonal": ("unit",), "steps": ("steps",)}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    kernels, evenly, randomly = (
        Picture(f"{name}.svg", title, partial(draw, results, sizes), columns)
        for name, title, draw, columns in (
            ("kernels", "Kernels at unit diagonal on a great circle", draw_kernels, 2),
            ("even", "Even points: the certificate at unit diagonal", draw_even, 2),
            ("random", "Random points: held-out error at t = infinity", draw_random, len(random_curves(sizes))),
        )
    )
    widths = spread_table(results.of(decay), ("network", "size"), {"-k'(0)": ("slope",), "half-width": ("half_width",)})
    trained_nets = spread_table(
        results.of(trained), ("network", "size", "lr"), {"error": ("error",), "step": ("first",)}
    )
    return [
        Figure("The kernel over the angle", "k(v) = K / K(x, x).", *widths, kernels),
        Figure("Even points", "A certificate of nan: K is singular.", *spread_table(results.of(even), BY, FIT), evenly),
        Figure("Random points", "In %.", *spread_table(results.of(irregular), BY, {"error": ("error",)}), randomly),
        Figure("Finite kernels", "", *spread_table(results.of(shape), ("width",), {"off psi": ("error",)})),
        Figure("Finite networks", "In %.", *trained_nets),
    ]


def draw_kernels(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, (network, letter) in zip(axes, (("mlp", "L"), ("pnn", "N")), strict=True):
        of = results.of(decay, network=network).by("size", "k")
        for (size, curves), style in zip(of.items(), shades(list(of)).values(), strict=True):
            v = [math.pi * i / (len(curves[0]) - 1) for i in range(len(curves[0]))]
            a.plot(v, curves[0], label=f"{letter} = {size}", **without_marker(style))
        a.set(title=NAMES[network], xlabel="angle v, radians", ylabel="k(v)")


def draw_even(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, curve in zip(axes, PLAIN, strict=True):
        draw_sizes(a, results.of(even, curve=curve), "unit")
        a.set(title=curve, xlabel="depth L or degree N", ylabel="|g| at unit diagonal", yscale="log")


def draw_random(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, curve in zip(axes, random_curves(sizes), strict=True):
        draw_sizes(a, results.of(irregular, curve=curve), "error")
        a.set(title=curve, xlabel="depth L or degree N", ylabel="held-out error, %")


def draw_sizes(a: Any, results: Results, key: str) -> None:
    for (network, of), style in zip(results.split("network").items(), categories(list(NAMES)).values(), strict=False):
        values = {size: mean(flat(each)) for size, each in of.by("size", key).items() if None not in each}
        log_ticks(a, list(values))
        a.plot(list(values), list(values.values()), label=NAMES[network], **style)


def flat(values: list[Any]) -> list[float]:
    """Numbers of several cells, each a number or a list of one for each draw."""
    return [v for item in values for v in (item if isinstance(item, list) else [item])]
