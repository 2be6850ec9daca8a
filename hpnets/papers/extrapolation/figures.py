"""Tables and pictures of the extrapolation study."""

import math
from functools import partial
from typing import Any

import torch

from hpnets.papers.extrapolation.arithmetic import fit_sums
from hpnets.papers.extrapolation.cells import SCALAR
from hpnets.papers.extrapolation.claims import fits
from hpnets.papers.extrapolation.lines import fit_lines, missing_sector, paper_setting, polynomials
from hpnets.papers.extrapolation.sizes import Sizes
from hpnets.papers.networks import degree_outside
from hpnets.statistics import deviation, mean, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import band, categories, without_marker
from hpnets.tasks.targets import TARGETS

LEAST_SQUARES, WORDS = (2, 3, 4, 10), {"missing": "not seen", "covered": "seen"}
CURVES = "Trained within the dashed lines; mean and range over seeds"
SECTORS = "Trained on a ring without a sector, tested at |x| = 2; a point a seed"


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    made = [degrees(results), errors(results, 1, Picture("curves.svg", CURVES, partial(curves, results), 3))]
    made += [errors(results, dim) for dim in sizes.dims]
    return [*made, stated(results), sectors(results, sizes), sums(results)]


def degrees(results: Results) -> Figure:
    text = (
        "Least-squares slope of log |f(t)| on log t for t between 1e3 and 1e4 half boxes, d = 1. A network without "
        "activation can learn a leading coefficient of 0, and then has a lower degree, on targets of lower degree."
    )
    rows = [
        (net, str(degree_outside(net)), *(degree_text(r.at(t, "degree")) for t in SCALAR))
        for r in results.of(fit_lines, dim=1, targets=SCALAR)
        for net in [r.options["network"]]
    ]
    return Figure("Degree outside", text, ("network", "of the architecture", *SCALAR), tuple(rows))


def degree_text(values: list[float]) -> str:
    """The mean, to three decimals, with the standard deviation where it shows at all there."""
    finite = [v for v in values if math.isfinite(v)] or [math.nan]
    return spread(finite, ".3f") if deviation(finite) >= 5e-4 else f"{mean(finite):.3f}"


def errors(results: Results, dim: int, picture: Picture | None = None) -> Figure:
    table: dict[str, dict[str, Any]] = {}
    for r in results.of(fit_lines, dim=dim):
        table.setdefault(r.options["network"], {}).update(r.value)
    if dim == 1:
        nearest = results.of(polynomials).one()
        for n in LEAST_SQUARES:
            table[f"least squares, degree {n}"] = {t: nearest[t][str(n)] for t in nearest}
    targets = tuple(dict.fromkeys(t for row in table.values() for t in row))
    rows = [
        (net, *(pair(row[t], "inside", "outside") if t in row else "" for t in targets)) for net, row in table.items()
    ]
    text = "Relative error inside the training box / outside it, in a box twice as wide."
    return Figure(f"Errors, input dimension {dim}", text, ("network", *targets), tuple(rows), picture)


def pair(got: dict[str, list[float]], first: str, second: str) -> str:
    return f"{spread(got[first], '.2g')} / {spread(got[second], '.2g')}"


def stated(results: Results) -> Figure:
    text = (
        "Relative errors. Adam at 1e-4, and at 1e-2, which is not the paper's; weight decay 1e-3, batches of 512 of "
        "2,048 points, x and y as they are; ccp of width 1, mlp of two hidden layers."
    )
    columns = {"inside, at first": ("before",), "inside": ("inside",), "outside": ("outside",)}
    table = spread_table(results.of(paper_setting), ("target", "network", "lr", "epochs"), columns)
    return Figure("The stated setting", text, *table)


def sectors(results: Results, sizes: Sizes) -> Figure:
    of = {key: part.split("missing") for key, part in results.of(missing_sector).split("target", "network").items()}
    text = (
        "Trained on the ring 1/2 <= |x| <= 1 of the plane without a sector, tested at |x| = 2: relative error in the "
        "directions seen / not seen (with nothing missing, the second is that of a quarter of the circle)."
    )
    rows = [(*key, *(pair(got.one(), "covered", "missing") for got in part.values())) for key, part in of.items()]
    head = ("target", "network", *(f"{sector} degrees missing" for sector in sizes.sectors))

    def draw(axes: list[Any]) -> None:
        for a, ((target, net), part) in zip(axes, of.items(), strict=False):
            for key, style in categories(["missing", "covered"]).items():
                shift = 4 if key == "missing" else -4  # so that points do not hide each other
                points = [(sector + shift, error) for sector, got in part.items() for error in got.one(key)]
                a.plot(*zip(*points, strict=True), label=f"directions {WORDS[key]}", **style | {"linestyle": ""})
            a.set(title=f"{target}, {net}", xlabel="missing sector, degrees", ylabel="relative error at |x| = 2")
            a.set(yscale="log", ylim=(1e-3, 10), xticks=sizes.sectors)

    picture = Picture("sectors.svg", SECTORS, draw, 3, math.ceil(len(of) / 3))
    return Figure("Missing directions", text, head, tuple(rows), picture)


def sums(results: Results) -> Figure:
    text = (
        "A pair of digit images -> the sum: fractions that are right on pairs of test images, for sums that were in "
        "training and for sums that were held out (low 0-3, middle 8-10, high 15-18). round: round(f) is the sum; "
        "floor or ceil: |f - sum| < 1; within 1: round(f) is off by 1 at most. Batches of 256; lr 0.001, of the "
        "NTK-parametrised networks 0.01."
    )
    metrics = ("round", "floor or ceil", "within 1")
    columns = {f"{part}: {metric}": (part, metric) for part in ("seen", "held out") for metric in metrics}
    return Figure("Arithmetic", text, *spread_table(results.of(fit_sums), ("fold", "network"), columns, ".2g"))


def curves(results: Results, axes: list[Any]) -> None:
    cubic, cos, by_degree = axes
    for a, target, nets in ((cubic, "cubic", ("ccp-3", "ccp-3-sum", "mlp")), (cos, "cos2x", ("ccp-10", "mlp"))):
        box = TARGETS[target].train_range[1]
        x = [box * (i / 20 - 2) for i in range(81)]
        y = TARGETS[target].function(torch.tensor(x)[:, None])[:, 0].tolist()
        a.plot(x, y, color="black", label="target", lw=3, alpha=0.4)
        for net, style in categories(nets).items():
            fitted = results.of(fit_lines, network=net, dim=1, targets=SCALAR).one(target, "curve")
            band(a, x, fitted, net, without_marker(style))
        margin = (max(y) - min(y)) / 2
        a.set(title=target, xlabel="x", ylabel="f(x)", ylim=(min(y) - margin, max(y) + margin))
        [a.axvline(edge, color="grey", ls="--", lw=0.8) for edge in (-box, box)]
    outside = {(net, target): got["outside"] for dim, net, target, got in fits(results) if dim == 1}
    degrees = [n for n in range(2, 11) if (f"ccp-{n}", "cubic") in outside]
    for target, style in categories(list(dict.fromkeys(target for _, target in outside))).items():
        by_degree.plot(degrees, [mean(outside[f"ccp-{n}", target]) for n in degrees], label=target, **style)
    by_degree.set(title="ccp-N", xlabel="degree N", ylabel="relative error outside, mean over seeds", yscale="log")
