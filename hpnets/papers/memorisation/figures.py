"""Tables and pictures of the memorisation study."""

from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import on_sphere
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.papers.parts.least_eigenvalues import eigenvalues, on_pixels, smallest
from hpnets.papers.parts.memory import draw_map, memorise
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories, seeds_and_mean


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    wide, square = (results.of(smallest, dim=dim) for dim in (sizes.dim, 0))
    growth = Picture("growth.svg", "lambda_min over the number of parameters", partial(draw_growth, wide, sizes), 2)
    maps = Picture("maps.svg", "log10 of the greatest error of all seeds", partial(draw_maps, results, sizes), 2)
    falls = Picture("sphere.svg", "lambda_min on the sphere", partial(draw_sphere, results), len(sizes.sphere_dims))
    text = (
        f"Error after {sizes.steps} steps over width m and labels n, d = {sizes.trained_dims[0]}. The line is where P "
        "(MLP) or the rank reaches n; beyond the line's end no width suffices."
    )
    rows = spread_table(results.of(memorise), ("network", "dim", "samples", "rate"), error_columns(sizes), ".1g")
    edge = f"N = {sizes.square_samples}, d that of an MLP d-d-d-1 with P = ratio N. 0: by counting, or below its error."
    return [
        Figure("lambda_min over P", f"N = {sizes.samples}.", *eigenvalues(wide, "ratio"), growth),
        Figure("The edge", edge, *eigenvalues(square, "ratio")),
        Figure("Memorisation", text, picture=maps),
        Figure("Errors", "Mean squared error by width m; rates in units of 1 / (10 sqrt(n)).", *rows),
        Figure("On the sphere", "Limit kernels; dotted: the bound by the nearest two points.", picture=falls),
        Figure(
            "On pixels", f"{sizes.task}, width {sizes.pixel_width}.", *eigenvalues(results.of(on_pixels), "samples")
        ),
    ]


def error_columns(sizes: Sizes) -> dict[str, tuple[str | int, ...]]:
    return {f"m = {width}": ("loss", i) for i, width in enumerate(sizes.widths)}


def draw_growth(wide: Results, sizes: Sizes, axes: list[Any]) -> None:
    for (network, of), style in zip(wide.split("network").items(), categories(sizes.networks).values(), strict=True):
        a = axes[network.endswith("-sum")]
        seeds_and_mean(a, of.by("ratio", "min"), network, style)
    for a, title in zip(axes, ("networks", "additive twins"), strict=True):
        a.set(title=title, xlabel="P / N, parameters a point", ylabel="lambda_min", yscale="log")


def draw_maps(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    dim, labels = sizes.trained_dims[0], (*sizes.map_labels, sizes.labels)
    for a, network in zip(axes, sizes.mapped, strict=True):
        draw_map(results.of(memorise, network=network, dim=dim, rate=1.0), labels, a)


def draw_sphere(results: Results, axes: list[Any]) -> None:
    for a, (d, of) in zip(axes, results.of(on_sphere).split("dim").items(), strict=True):
        parts = of.split("network")
        for (network, part), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
            seeds_and_mean(a, part.by("samples", "min"), network, style)
            bound = {n: mean(values) for n, values in part.by("samples", "bound").items()}
            a.plot(list(bound), list(bound.values()), color=style["color"], linestyle=":", lw=1)
        a.set(title=f"sphere in R^{d}", xlabel="n, points", ylabel="lambda_min", yscale="log")
