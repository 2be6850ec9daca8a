"""Tables and pictures of the study of learning-rate transfer."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hpnets.papers.lr_transfer.cells import best_rate, tracked
from hpnets.papers.lr_transfer.sizes import Sizes
from hpnets.papers.parts.rate_measures import best, has
from hpnets.papers.parts.transfer_statistics import SCALED
from hpnets.papers.parts.transfer_tables import rate_rows, sharp_rows
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results
from hpnets.study.charts import band, categories, log_ticks, shades, without_marker

LOSS, SHARP = "best rate, log2", "sharpness of D^1/2 H D^1/2"
WIDE = {"mup": "mup", "ntk": "ntk"}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    names = [name for name in sizes.wide if not name.endswith("-sum")]
    curves = Picture("losses.svg", "Training loss over the rate", partial(draw_losses, results), 2)
    by_width = partial(draw_best, results, names, WIDE, "width n")
    width = Picture("width.svg", "Best rates over the width, SGD", by_width, 2)
    draw = partial(draw_best, results, sizes.deep, SCALED, "branches L")
    depth = Picture("depth.svg", "Best rates over the branches, SGD", draw, len(SCALED))
    time = Picture("time.svg", "Sharpness in training", partial(draw_time, results), 3)
    return [
        Figure("The loss over the rate", "MLP; the mean over seeds, cut where a seed diverged.", picture=curves),
        Figure("Best rates over the width", "Twins are in the table.", picture=width),
        Figure("Best rates over the branches", "Networks 64 wide.", picture=depth),
        Figure("All best rates", "log2 of the rate, and the late loss there.", *rate_rows(results)),
        Figure("Sharpness in training", "A line a size; the band holds all seeds.", picture=time),
        Figure("Late sharpness", "Spreads over the sizes, in decades; shares of Gauss-Newton.", *sharp_rows(results)),
    ]


def draw_losses(results: Results, axes: list[Any]) -> None:
    for a, kind in zip(axes, WIDE, strict=True):
        of = results.of(best_rate, network="mlp", kind=kind, optimizer="sgd").split("size")
        for size, style in shades(sorted(of)).items():
            losses = [mean(row) for row in of[size].one("loss")]
            points = [(p, v) for p, v in zip(of[size].one("powers"), losses, strict=True) if v < 10]
            a.plot(*zip(*points, strict=True), label=f"n = {size}", **style)
        a.set(title=kind, xlabel="log2 of the rate", ylabel="late training loss", yscale="log")


def draw_best(results: Results, names: Sequence[str], kinds: Mapping[str, str], size: str, axes: list[Any]) -> None:
    """A panel a parametrisation, a line a network that was trained under it."""
    for a, (title, kind) in zip(axes, kinds.items(), strict=True):
        for name, style in categories(names).items():
            if has(results, (name, kind, "sgd")):
                powers = best(results, (name, kind, "sgd"))
                log_ticks(a, list(powers))
                a.plot(list(powers), list(powers.values()), label=name, **style)
        a.set(title=title, xlabel=size, ylabel=LOSS)


def draw_time(results: Results, axes: list[Any]) -> None:
    names = {"mlp, mup": ("mlp", "mup"), "mlp, ntk": ("mlp", "ntk"), "ccp-2, mup": ("ccp-2", "mup")}
    for a, (title, (name, kind)) in zip(axes, names.items(), strict=True):
        of = results.of(tracked, network=name, kind=kind, optimizer="sgd").split("size")
        for size, style in shades(sorted(of)).items():
            rows = of[size].values("rows")
            steps = [row["step"] for row in min(rows, key=len)]
            tracks = [[row["hessian"] for row in each[: len(steps)]] for each in rows]
            band(a, steps, tracks, f"n = {size}", without_marker(style))
        a.set(title=title, xlabel="steps", ylabel=SHARP, yscale="log")
