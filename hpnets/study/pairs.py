"""The difference between a network and its additive twin, each at its own best rate of the same grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpnets.statistics import estimate, mean
from hpnets.study.results import Results


@dataclass(frozen=True)
class PairedDifference:
    """The differences net - twin, one for each seed, at the rates that validation chose.

    at_edge: which of "net" and "twin" has its best rate at an end of the grid.
    """

    differences: list[float]
    net_rate: float
    twin_rate: float
    at_edge: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{estimate(self.differences, '.3g')}, rates {self.net_rate:g} and "
        edge = f"; the {' and the '.join(self.at_edge)} at the end of the grid" if self.at_edge else ""
        return f"{text}{self.twin_rate:g} (twin), chosen on validation{edge}"


def paired_difference(
    net: Results,
    twin: Results,
    measure: Sequence[str],
    validation: Sequence[str] = ("validation",),
    rate: str = "lr",
    seed: str = "seed",
    differs: Sequence[str] = ("network",),
) -> PairedDifference:
    """The differences measure(net) - measure(twin), seed by seed, each at the rate of least mean validation loss.

    measure, validation: paths into a result. rate, seed: names of options. A difference to a twin that was tuned less
    says nothing, so ValueError is raised unless both have every seed at every rate of one grid, and the same other
    options (steps, samples, width) except those that `differs` names.
    """
    if _runs(net, (rate, seed)) != _runs(twin, (rate, seed)):
        raise ValueError(f"the twin is tuned on other {rate} and {seed}; allowed: the same grid as its net")
    if (ours := _budget(net, {rate, seed, *differs})) != (theirs := _budget(twin, {rate, seed, *differs})):
        raise ValueError(f"the twin has the budget {theirs}; allowed: that of its net, {ours}")
    rates = {name: _best(runs, rate, validation) for name, runs in (("net", net), ("twin", twin))}
    ends = (min(net.by(rate)), max(net.by(rate)))
    at = [_by_seed(runs.split(rate)[rates[name]], seed, measure) for name, runs in (("net", net), ("twin", twin))]
    edge = tuple(name for name, value in rates.items() if value in ends)
    return PairedDifference([at[0][s] - at[1][s] for s in at[0]], rates["net"], rates["twin"], edge)


def _best(runs: Results, rate: str, validation: Sequence[str]) -> float:
    losses = {value: mean(each) for value, each in runs.by(rate, *validation).items()}
    return min(losses, key=lambda value: losses[value])


def _runs(runs: Results, names: tuple[str, str]) -> set[tuple[Any, ...]]:
    pairs = [tuple(result.options[name] for name in names) for result in runs]
    rates, seeds = (set(column) for column in zip(*pairs, strict=True))
    if len(pairs) != len(set(pairs)) or len(pairs) != len(rates) * len(seeds):
        raise ValueError(f"{names[0]} and {names[1]} are {pairs}; allowed: each seed once at each rate")
    return set(pairs)


def _budget(runs: Results, but: set[str]) -> dict[str, Any]:
    budgets = [{key: v for key, v in result.options.items() if key not in but} for result in runs]
    if any(budget != budgets[0] for budget in budgets):
        raise ValueError(f"runs of one network differ in their budgets: {budgets[0]}, {budgets[-1]}")
    return budgets[0]


def _by_seed(runs: Results, seed: str, path: Sequence[str]) -> dict[Any, float]:
    return {result.options[seed]: result.at(*path) for result in runs}
