"""Tables and pictures of the extrapolation study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.extrapolation.cells import SCALAR, fit_lines, fit_sums, missing_sector, paper_setting
from hpnets.papers.extrapolation.sizes import Sizes
from hpnets.papers.parts.boxes import DEGREES, draw_fits, error_table, mean_errors, polynomials
from hpnets.papers.parts.digit_sums import sum_figure
from hpnets.papers.parts.networks import degree_outside
from hpnets.papers.parts.sectors import ring_figure
from hpnets.statistics import deviation, mean, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories

LEAST_SQUARES = (2, 3, 4, 10)
CURVES = "Trained within the dashed lines; mean and range over seeds"


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    made = [degrees(results), errors(results, 1, Picture("curves.svg", CURVES, partial(curves, results), 3))]
    made += [errors(results, dim) for dim in sizes.dims]
    sums = sum_figure(results.of(fit_sums), "lr 0.001, of the NTK-parametrised networks 0.01.")
    return [*made, stated(results), ring_figure(results.of(missing_sector)), sums]


def degrees(results: Results) -> Figure:
    text = (
        "Least-squares slope of log |f(t)| on log t for t between 1e3 and 1e4 half boxes, d = 1. A network without "
        "activation can learn a leading coefficient of 0, and then has a lower degree, on targets of lower degree."
    )
    rows = [
        (net, str(degree_outside(net)), *(degree_text(fit.one(t, "degree")) for t in SCALAR))
        for net, fit in results.of(fit_lines, dim=1, targets=SCALAR).split("network").items()
    ]
    return Figure("Degree outside", text, ("network", "of the architecture", *SCALAR), tuple(rows))


def degree_text(values: list[float]) -> str:
    """The mean, to three decimals, with the standard deviation where it shows at all there."""
    finite = [v for v in values if math.isfinite(v)] or [math.nan]
    return spread(finite, ".3f") if deviation(finite) >= 5e-4 else f"{mean(finite):.3f}"


def errors(results: Results, dim: int, picture: Picture | None = None) -> Figure:
    nearest = results.of(polynomials).one() if dim == 1 else {}
    baselines = {f"least squares, degree {n}": {t: nearest[t][str(n)] for t in nearest} for n in LEAST_SQUARES}
    text = "Relative error inside the training box / outside it, in a box twice as wide."
    table = error_table(results.of(fit_lines, dim=dim), baselines if dim == 1 else {})
    return Figure(f"Errors, input dimension {dim}", text, *table, picture)


def stated(results: Results) -> Figure:
    text = (
        "Relative errors. Adam at 1e-4, and at 1e-2, which is not the paper's; weight decay 1e-3, batches of 512 of "
        "2,048 points, x and y as they are; ccp of width 1, mlp of two hidden layers."
    )
    columns = {"inside, at first": ("before",), "inside": ("inside",), "outside": ("outside",)}
    table = spread_table(results.of(paper_setting), ("target", "network", "lr", "epochs"), columns)
    return Figure("The stated setting", text, *table)


def curves(results: Results, axes: list[Any]) -> None:
    *lines, by_degree = axes
    of = results.of(fit_lines, dim=1, targets=SCALAR).by("network")
    for a, target, nets in zip(
        lines, ("cubic", "cos2x"), (("ccp-3", "ccp-3-sum", "mlp"), ("ccp-10", "mlp")), strict=True
    ):
        draw_fits(a, target, {net: of[net][0][target]["curve"] for net in nets})
    outside = mean_errors(results.of(fit_lines, dim=1, targets=SCALAR), SCALAR)
    degrees = [n for n in DEGREES if (1, f"ccp-{n}", "cubic") in outside]
    for target, style in categories(SCALAR).items():
        by_degree.plot(degrees, [outside[1, f"ccp-{n}", target] for n in degrees], label=target, **style)
    by_degree.set(title="ccp-N", xlabel="degree N", ylabel="relative error outside, mean over seeds", yscale="log")
