"""Tables and pictures of the study of two curves."""

import math
from functools import partial
from statistics import median
from typing import Any

from hpnets.papers.curves.cells import decay, trained
from hpnets.papers.curves.sizes import Sizes
from hpnets.papers.parts.curve_kernels import NAMES, even, irregular, rows
from hpnets.papers.parts.labelled_curves import PLAIN
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories, log_ticks, shades, without_marker

TEXT = "By depth L or degree N; inf: {}. Of Fourier curves and images the median of the seeds."
WIDE = """At t = infinity. Where points are sparse for the curve (Fourier) every narrowing hurts, also that by degree;
the twin errs least since its kernel, of two layers, is the widest: docs/concepts/certificates.md."""
UNIT, ERROR = "|g| at unit diagonal", "held-out error, %"


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    sampled = (*sizes.random_curves, sizes.shifts)
    norms, errors = (partial(draw, results.of(of), key) for of, key in ((even, "unit"), (irregular, "error")))
    kernels = Picture("kernels.svg", "Kernels at unit diagonal on a great circle", partial(draw_kernels, results), 2)
    evenly = Picture("even.svg", "Even points", partial(norms, UNIT, (*PLAIN, sizes.shifts)), 3)
    at_random = Picture("random.svg", "Random points", partial(errors, ERROR, sampled), len(sampled))
    nets = spread_table(results.of(trained), ("network", "lr"), {ERROR: ("error",)})
    singular, many = TEXT.format("K is singular on the points"), TEXT.format("more than 1,000 steps")
    return [
        Figure("The kernel over the angle", "By depth L, and by degree N.", picture=kernels),
        Figure(f"Even points: {UNIT}", singular, *rows(results.of(even), "unit"), evenly),
        Figure("Even points: steps", many, *rows(results.of(even), "steps")),
        Figure(f"Random points: {ERROR}", WIDE, *rows(results.of(irregular), "error"), at_random),
        Figure("Trained networks", f"By rate times l_max, {ERROR}; mlp: circles, pnn: sinusoids.", *nets),
    ]


def draw_kernels(results: Results, axes: list[Any]) -> None:
    for a, network in zip(axes, ("mlp", "pnn"), strict=True):
        of = results.of(decay, network=network).by("size", "k")
        for (size, (k,)), style in zip(of.items(), shades(list(of)).values(), strict=True):
            a.plot([math.pi * i / (len(k) - 1) for i in range(len(k))], k, label=str(size), **without_marker(style))
        a.set(title=NAMES[network], xlabel="angle v, radians", ylabel="k(v)")


def draw(results: Results, key: str, label: str, curves: tuple[str, ...], axes: list[Any]) -> None:
    styles = categories(list(NAMES))
    for a, curve in zip(axes, curves, strict=True):
        for network, part in results.of(results.items[0].function, curve=curve).split("network").items():
            of = {size: each for size, each in part.by("size", key).items() if None not in each}
            log_ticks(a, list(of))
            means = [mean(each[0]) if isinstance(each[0], list) else median(each) for each in of.values()]
            a.plot(list(of), means, label=NAMES[network] if of else None, **styles[network])
        a.set(title=curve, xlabel="depth L or degree N", ylabel=label, yscale="log" if key == "unit" else "linear")
