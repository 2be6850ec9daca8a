"""Runs that try learning rates: how one is trained or goes on, and which rate validation chooses."""

import csv
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpnets.statistics import mean

if TYPE_CHECKING:
    from hpnets.options import RunOptions
    from hpnets.training import RunFolder

DIVERGED = "diverged.txt"
LESS_IS_BETTER = ("mse", "loss", "frechet")


def train_trial(run: "RunFolder", options: "RunOptions") -> None:
    """Train a run unless it has ended, or go on with it; one that diverges leaves diverged.txt."""
    from hpnets.training import NonFiniteError, train
    from hpnets.zoo import features_for
    from recipes.zoo.runs import check_options

    check_options(run, options)
    if run.summary.is_file() or has_diverged(run):
        return
    resume = run.env.is_file()  # a run writes env.json as the last of its first files
    if not resume:
        shutil.rmtree(run.path, ignore_errors=True)
    try:
        train(options, run.path, resume, features_for(options.model["name"], options.task["name"]))
    except NonFiniteError as error:
        (run.path / DIVERGED).write_text(f"{error}\n")


def has_diverged(run: "RunFolder") -> bool:
    """Whether the run ended with NaN or Inf."""
    return (run.path / DIVERGED).is_file()


def has_ended(run: "RunFolder") -> bool:
    """Whether nothing of the run is left to train."""
    return run.summary.is_file() or has_diverged(run)


def badness(run: "RunFolder") -> float:
    """The validation metric that its task is judged by, of the last weights, with its sign changed if more is better.

    It is inf for a run that diverged. Raises ValueError if the run has not ended, or was not validated.
    """
    if has_diverged(run):
        return math.inf
    validated = run.read_summary()["best"]
    if not validated:
        raise ValueError(f"{run.path} was not validated; allowed: runs with validation samples")
    name = next(iter(validated))
    with run.metrics.open(newline="") as file:
        last = [float(row[name]) for row in csv.DictReader(file) if row.get(name)][-1]
    return last if name.endswith(LESS_IS_BETTER) else -last


@dataclass(frozen=True)
class Choice:
    """The rate of least mean badness, and whether it is an end of the grid."""

    rate: float
    at_edge: bool


def choose(trials: "Mapping[float, Sequence[RunFolder]]") -> Choice:
    """The choice among the runs at each rate; raises ValueError if none is finite."""
    means = {rate: mean(map(badness, runs)) for rate, runs in trials.items()}
    best = min(means, key=lambda rate: means[rate])
    if not math.isfinite(means[best]):
        raise ValueError(f"all rates diverged: {', '.join(f'{rate:g}' for rate in means)}")
    return Choice(best, best in (min(means), max(means)))


def tuning(net: Choice, twin: Choice, rates: Sequence[float]) -> dict[str, Any]:
    """What the index says of how a network and its twin were tuned: the grid, both rates, which is at its end."""
    at_edge = [name for name, choice in (("net", net), ("twin", twin)) if choice.at_edge]
    return {"rates": list(rates), "net": net.rate, "twin": twin.rate, "at_edge": at_edge}
