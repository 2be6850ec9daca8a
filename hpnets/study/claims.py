"""A claim is one statement of a paper: what it says, where, its formula, what is measured, and the criterion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpnets.statistics import spread
from hpnets.study.criteria import Criterion, Quantities, Verdict
from hpnets.study.results import Results


@dataclass(frozen=True)
class Judged:
    """A claim with what was measured and its verdict, as the page shows it."""

    says: str
    where: str
    formula: str
    accepted: str
    measured: str
    seeds: int
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A statement of a paper.

    where: the place in its source. seeds: how many seeds of networks or data were drawn, 0 if none were. statistic: a
    function of the results that returns quantities by name, which include those that the criterion needs: a number,
    numbers by seed (a list), lists by an option (a mapping), or a text. The page shows all quantities.
    """

    says: str
    statistic: Callable[[Results], Quantities] = field(repr=False)
    criterion: Criterion
    where: str
    formula: str
    seeds: int = 0

    def judge(self, results: Results) -> Judged:
        """Measure the statement and decide; raises ValueError if the statistic lacks what the criterion needs."""
        quantities = self.statistic(results)
        measured = "; ".join(f"{name}: {shown(value)}" for name, value in quantities.items())
        verdict = self.criterion.decide(quantities)
        return Judged(self.says, self.where, self.formula, str(self.criterion), measured, self.seeds, verdict)


def labelled(name: str, quantity: Mapping[Any, Any]) -> dict[str, Any]:
    """A quantity by an option, with keys as the page shows them: {"n = 100": ..}."""
    return {f"{name} = {key}": value for key, value in quantity.items()}


def shown(value: Any) -> str:
    """A quantity as the page shows it: a text, a number, "mean +- std" for a list, a part for each key of a mapping."""
    if isinstance(value, Mapping):
        return ", ".join(f"{shown(item)} ({key})" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(item, bool) for item in value):
            return f"{sum(value)} of {len(value)}"
        return spread(value) if all(isinstance(item, float) for item in value) else ", ".join(map(shown, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
