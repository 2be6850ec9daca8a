"""Networks in training beside their twins: each at its best rate, compared where both have one clean accuracy.

Results are of cells with lists over epochs: "validation" (loss), "validation accuracy", "clean", "robust".
"""

from typing import Any

from hpnets.statistics import mean
from hpnets.study import Results
from hpnets.study.charts import band, categories

Row = tuple[float, float, float, float]


def at_best_rate(runs: Results) -> Results:
    """The runs at the rate `lr` of the least validation loss, each at its best epoch, on average over seeds."""
    rates = runs.split("lr").values()
    return min(rates, key=lambda of: mean(min(losses) for losses in of.values("validation")))


def at_equal_accuracy(net: Results, twin: Results) -> list[Row]:
    """Of each seed the robust and clean accuracy of the net, then of its twin, both at their best rates.

    Each is taken at its first recorded epoch with the lower of the two best validation accuracies, or more. Raises
    ValueError for another grid of rates or seeds of the twin.
    """
    grids = [{(r.options["lr"], r.options["seed"]) for r in runs} for runs in (net, twin)]
    if grids[0] != grids[1]:
        raise ValueError(f"the twin has lr and seed {sorted(grids[1])}; allowed: those of its net, {sorted(grids[0])}")
    made = []
    for pair in zip(at_best_rate(net), at_best_rate(twin), strict=True):
        level = min(max(r.at("validation accuracy")) for r in pair)
        first = [next(i for i, a in enumerate(r.at("validation accuracy")) if a >= level) for r in pair]
        (robust, clean), (robust_2, clean_2) = (
            (r.at("robust", i), r.at("clean", i)) for r, i in zip(pair, first, strict=True)
        )
        made.append((robust, clean, robust_2, clean_2))
    return made


def draw_sides(sides: list[dict[str, Results]], axes: list[Any]) -> None:
    """Draw the test accuracy, clean and under attack, over epochs, of a net and its twin on each axes."""
    for a, networks in zip(axes, sides, strict=True):
        best = {name: at_best_rate(of) for name, of in networks.items()}
        lines = [(name, key) for name in best for key in ("clean", "robust")]
        for (name, key), style in categories(lines).items():
            of = best[name]
            band(a, of.items[0].options["epochs"], of.values(key), f"{name}, {key}", style)
        a.set(title=next(iter(networks)), xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))
