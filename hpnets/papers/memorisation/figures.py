"""Tables and pictures of the memorisation study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import memorise, on_pixels, on_sphere, smallest
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.papers.memory import MEMORISED
from hpnets.papers.sized_networks import width_needed
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results, phase_map, spread_table
from hpnets.study.charts import categories, seeds_and_mean

COLUMNS = {"d": ("dim",), "P": ("parameters",), "lambda_min": ("min",), "lambda_max": ("max",)}
PIXELS = {name: path for name, path in COLUMNS.items() if name != "d"}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    d = sizes.trained_dims[0]
    wide, square = (results.of(smallest, dim=dim) for dim in (sizes.dim, 0))
    growth = Picture("growth.svg", "lambda_min over the number of parameters", partial(draw_growth, wide, sizes), 2)
    maps = Picture(
        "maps.svg", "log10 of the error after training, mean over seeds", partial(draw_maps, results, sizes), 2
    )
    falls = Picture("sphere.svg", "lambda_min on the sphere", partial(draw_sphere, results), len(sizes.sphere_dims))
    text = (
        f"Error after {sizes.steps} steps over width m and number of labels n, d = {d}. The line: "
        "where P = n, or where the rank reaches n: beyond it no width suffices for `ccp-2-none`."
    )
    rows = spread_table(results.of(memorise), ("network", "dim", "samples", "rate"), error_columns(sizes), ".1g")
    pixels = spread_table(results.of(on_pixels), ("network", "samples"), PIXELS, ".2g")
    return [
        Figure(
            "lambda_min over P", f"N = {sizes.samples}.", *spread_table(wide, ("network", "ratio"), COLUMNS), growth
        ),
        Figure(
            "The edge",
            f"N = {sizes.square_samples}, d that of an MLP d-d-d-1 with P = ratio N; 0 is by counting.",
            *spread_table(square, ("network", "ratio"), COLUMNS, ".2g"),
        ),
        Figure("Memorisation", text, picture=maps),
        Figure("Errors", "Mean squared error by width m; rates in units of 1 / (10 sqrt(n)).", *rows),
        Figure("On the sphere", "Limit kernels; dashed: the bound by the nearest two points.", picture=falls),
        Figure("On pixels", f"{sizes.images}, width {sizes.pixel_width}.", *pixels),
    ]


def error_columns(sizes: Sizes) -> dict[str, tuple[str | int, ...]]:
    return {f"m = {width}": ("loss", i) for i, width in enumerate(sizes.widths)}


def draw_growth(wide: Results, sizes: Sizes, axes: list[Any]) -> None:
    for (network, of), style in zip(wide.split("network").items(), categories(sizes.networks).values(), strict=True):
        a = axes[network.endswith("-sum")]
        numbers = {round(mean(part.values("parameters"))): part.values("min") for part in of.split("ratio").values()}
        seeds_and_mean(a, numbers, network, style)
    for a, title in zip(axes, ("networks", "additive twins"), strict=True):
        a.set(title=title, xlabel="parameters P", ylabel="lambda_min", yscale="log")


def draw_maps(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    dim = sizes.trained_dims[0]
    for a, network in zip(axes, sizes.mapped, strict=True):
        labels = (*sizes.map_labels, sizes.labels)
        cells = {
            (float(n), float(width)): math.log10(max(mean(r.at("loss", i)), 1e-12))
            for n in labels
            for r in results.of(memorise, network=network, dim=dim, samples=n, rate=1.0)
            for i, width in enumerate(sizes.widths)
        }
        texts: dict[str, Any] = {
            "xlabel": "n, labels to memorise",
            "ylabel": "m, units of a hidden layer",
            "value": "log10 error",
        }
        line = [(float(n), m) for n in labels if (m := width_needed(network, dim, n)) <= sizes.widths[-1]]
        name = "P = n" if network.startswith("mlp") else "rank = n"
        phase_map(a, cells, **texts, at_most=math.log10(MEMORISED), line=line, predicted=name)
        a.set(title=network)


def draw_sphere(results: Results, axes: list[Any]) -> None:
    for a, (d, of) in zip(axes, results.of(on_sphere).split("dim").items(), strict=True):
        parts = of.split("network")
        for (network, part), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
            seeds_and_mean(a, part.by("samples", "min"), network, style)
            bound = {n: mean(values) for n, values in part.by("samples", "bound").items()}
            a.plot(list(bound), list(bound.values()), color=style["color"], linestyle=":", lw=1)
        a.set(title=f"sphere in R^{d}", xlabel="n, points", ylabel="lambda_min", yscale="log")
