"""Tables and pictures of the study of complex networks."""

from functools import partial
from typing import Any

from hpnets.papers.complex_nets.cells import distance, gap, shifted
from hpnets.papers.complex_nets.sizes import Sizes
from hpnets.papers.parts.complex_learning import draw_learnt, learnt_table, trained
from hpnets.papers.parts.complex_witness import S, draw_witness, witness
from hpnets.statistics import median
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories

LEARNT = "Limit kernels at t = infinity: held-out error over the number of samples."


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    groups = sizes.witnesses, sizes.seeing
    over_width = Picture("widths.svg", "Kernels beside their limits", partial(draw_widths, results), 1)
    seen = Picture("witness.svg", "What a kernel sees of Im <z, z'>", partial(draw_witness, results, groups), 2)
    samples = Picture(
        "learnt.svg", "What a product of degree 2 learns", partial(draw_learnt, results, sizes.learners), 3
    )
    pairs = spread_table(results.of(gap), ("network", "width"), {"gap": ("gap",)})
    values = {f"w({s})": ("values", i) for i, s in enumerate(S)}
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
        Figure("What is learnt", LEARNT, *learnt_table(results), samples),
        Figure(
            "After Adam",
            "Relative errors.",
            *spread_table(results.of(trained), ("network", "target", "samples", "lr"), errors, ".2g"),
        ),
        Figure(
            "Shifted images",
            f"{sizes.task}; limit kernels at t = infinity.",
            *spread_table(results.of(shifted), ("network",), {"accuracy": ("accuracy",)}),
        ),
    ]


def draw_widths(results: Results, axes: list[Any]) -> None:
    of = results.of(distance).split("network")
    for (network, part), style in zip(of.items(), categories(list(of)).values(), strict=True):
        errors = {width: median(each) for width, (each,) in part.by("width", "error").items()}
        axes[0].loglog(list(errors), list(errors.values()), label=network, **style)
    axes[0].set(xlabel="width m", ylabel="|K_m - K| / |K|, median")
