"""Tables and pictures of the study of Thompson sampling."""

import itertools
from functools import partial
from typing import Any

from hpnets.papers.parts.bandit_runs import draw_regret
from hpnets.papers.thompson_sampling.cells import fixed_features, fresh_networks, interactions, regret
from hpnets.papers.thompson_sampling.sizes import NOISE, Sizes
from hpnets.statistics import mean
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories

ERRORS: dict[str, tuple[str, ...]] = {
    "mean": ("noise", "mean"),
    "its floor": ("noise", "mean floor"),
    "covariance": ("noise", "covariance"),
    "its floor ": ("noise", "covariance floor"),
    "without target noise": ("quiet", "covariance"),
    "predicted": ("predicted",),
}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    draws, others = results.of(regret, objective="draw", noise=NOISE), results.of(regret)
    pictures = {
        "regret": Picture("regret.svg", "Regret on draws of the NTK's GP", partial(draw_methods, draws), 2),
        "others": Picture(
            "objectives.svg", "Regret on other objectives", partial(draw_objectives, others, sizes), 3, 2
        ),
        "products": Picture("products.svg", "Products and twins", partial(draw_products, results, sizes), 2),
    }
    fixed, fresh, totals = results.of(fixed_features), results.of(fresh_networks), {"regret": ("total",)}
    return [
        Figure(
            "Draws against the posterior",
            f"Relative errors over {sizes.draws} draws, {sizes.observed} points of S^2, s^2 = mean T(x, x). Width "
            f"{sizes.width}: one network for all draws and its own kernel; {sizes.fresh_width}: afresh, and the limit.",
            *spread_table(Results((*fixed.items, *fresh.items)), ("network", "width"), ERRORS),
        ),
        Figure(
            "Regret",
            f"Sum over {sizes.evaluations} evaluations; bands: least to greatest over seeds.",
            *spread_table(others, ("objective", "method", "batch", "noise"), totals),
            pictures["regret"],
        ),
        Figure("Other objectives", "Values have deviation 1.", picture=pictures["others"]),
        Figure(
            "Products",
            f"Categorical objectives with a share of interactions; sums over {sizes.product_evaluations} evaluations "
            "at each amplitude of the prior, and on the objectives on which the amplitude is chosen.",
            *spread_table(
                results.of(interactions),
                ("share", "network", "amplitude"),
                {"regret": ("of",), "validation": ("validation",)},
            ),
            pictures["products"],
        ),
    ]


def draw_methods(draws: Results, axes: list[Any]) -> None:
    by = {f"{m}, batch {b}": of.values("regret") for (m, b), of in draws.split("method", "batch").items()}
    draw_regret(axes[0], by, "so far")
    for (name, gaps), style in zip(by.items(), categories(list(by)).values(), strict=True):
        best = [list(itertools.accumulate(g, min)) for g in gaps]
        axes[1].plot(range(1, len(gaps[0]) + 1), [mean(c) for c in zip(*best, strict=True)], label=name, **style)
    axes[1].set(title="of the best so far", xlabel="evaluations", ylabel="simple regret")


def draw_objectives(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, name in zip(axes, sizes.objectives, strict=False):
        draw_regret(a, results.of(regret, objective=name).by("method", "regret"), name)


def draw_products(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, share in zip(axes, (max(sizes.shares), min(sizes.shares)), strict=True):
        of = results.of(interactions, share=share)
        best = {network: chosen(part) for network, part in of.split("network").items()}
        draw_regret(a, {network: part.values("of regret") for network, part in best.items()}, f"interactions {share:g}")


def chosen(runs: Results) -> Results:
    """The runs at the amplitude of least regret on validation."""
    of = runs.split("amplitude")
    return min(of.values(), key=lambda part: mean(part.values("validation")))
