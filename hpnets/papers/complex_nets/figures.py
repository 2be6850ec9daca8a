"""Tables and pictures of the study of complex networks."""

from functools import partial
from typing import Any

from hpnets.papers.complex_nets.cells import digits, distance, gap, learnt, trained, witness
from hpnets.papers.complex_nets.claims import by_samples
from hpnets.papers.complex_nets.sizes import Sizes
from hpnets.papers.complex_pairs import TARGETS
from hpnets.statistics import mean, median, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories

LEARNT = "Limit kernels at t = infinity: held-out error over the number of samples."
Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    over_width = Picture("widths.svg", "Kernels beside their limits", partial(draw_widths, results), 1)
    seen = Picture("witness.svg", "What a kernel sees of Im <z, z'>", partial(draw_witness, results, sizes), 2)
    samples = Picture("learnt.svg", "What a product of degree 2 learns", partial(draw_learnt, results, sizes), 3)
    pairs = spread_table(results.of(gap), ("network", "width"), {"gap": ("gap",)})
    values = {f"w({s})": ("values", i) for i, s in enumerate((0, 0.4, 0.8))}
    errors = {"train": ("train",), "held out": ("error",)}
    return [
        Figure(
            "Kernels over width",
            "|K_m - K| / |K|.",
            *spread_table(results.of(distance), ("network", "width"), {"error": ("error",)}),
            over_width,
        ),
        Figure("Witness", "Mean kernels.", *spread_table(results.of(witness), ("network",), values), seen),
        Figure("Trained pairs", "Gap over |y|.", *pairs),
        Figure("What is learnt", LEARNT, *learnt_table(results, sizes), samples),
        Figure(
            "After Adam",
            "Relative errors.",
            *spread_table(results.of(trained), ("network", "target", "samples", "lr"), errors, ".2g"),
        ),
        Figure(
            "Shifted digits",
            "Limit kernels at t = infinity.",
            *spread_table(results.of(digits), ("network",), {"accuracy": ("accuracy",)}),
        ),
    ]


def learnt_table(results: Results, sizes: Sizes) -> Table:
    """A row for each network and target, a column for each number of samples."""
    pairs = results.of(learnt).split("network", "target")
    rows = [(*pair, *(spread(errors, ".2g") for errors in by_samples(results, *pair).values())) for pair in pairs]
    return ("network", "target", *(f"n = {n}" for n in sizes.samples)), tuple(rows)


def draw_widths(results: Results, axes: list[Any]) -> None:
    of = results.of(distance).split("network")
    for (network, part), style in zip(of.items(), categories(list(of)).values(), strict=True):
        errors = {width: median(each) for width, each in part.by("width", "error").items()}
        axes[0].loglog(list(errors), list(errors.values()), label=network, **style)
    axes[0].set(xlabel="width m", ylabel="|K_m - K| / |K|, median")


def draw_witness(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, names in zip(axes, (sizes.witnesses, sizes.seeing), strict=True):
        for name, style in categories(list(names)).items():
            values = zip(*results.of(witness, network=name).values("values"), strict=True)
            a.plot((0, 0.4, 0.8), [mean(each) for each in values], label=name, **style)
        a.set(xlabel="s = Im <z, z'> / d", ylabel="w(s)")


def draw_learnt(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, target in zip(axes, list(TARGETS)[:3], strict=True):
        for network, style in categories(list(sizes.learners)).items():
            errors = {n: max(mean(each), 1e-16) for n, each in by_samples(results, network, target).items()}
            a.loglog(list(errors), list(errors.values()), label=network, **style)
        a.set_title(target, parse_math=False)
        a.set(xlabel="samples n", ylabel="held-out error")
