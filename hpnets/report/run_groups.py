"""Runs side by side: seeds of the same options are one group, and an additive twin stands beside its network."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpnets.report.run_record import RunRecord, as_text
from hpnets.statistics import deviation, half_width, mean

OWN = ("seed", "wandb.", "trainer.devices", "trainer.num_nodes", "trainer.accelerator", "trainer.strategy")
PRODUCT, TWIN = "model.product", "sum"


@dataclass(frozen=True)
class RunGroup:
    """Runs whose options differ by no more than the seed and where they ran.

    label: the network and task, and the options in which this group differs from others of the same report.
    """

    label: str
    runs: tuple[RunRecord, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The options that all runs of the group share."""
        return compared(self.runs[0])

    @property
    def results(self) -> dict[Any, float]:
        """The test metric by seed, of the runs that have one."""
        return {run.seed: run.result for run in self.runs if run.result is not None}


@dataclass(frozen=True)
class TwinDifference:
    """The difference net - twin of a metric over the seeds that both have, with a 95% interval of its mean.

    The interval is Student's: mean +- t(.975, n - 1) std / sqrt(n). It is None of a single seed.
    """

    net: RunGroup
    twin: RunGroup
    metric: str
    differences: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean difference."""
        return mean(self.differences)

    @property
    def half_width(self) -> float | None:
        """Half the width of the 95% interval, or None of a single seed."""
        n = len(self.differences)
        return half_width(deviation(self.differences), n) if n > 1 else None


def compared(run: RunRecord) -> dict[str, Any]:
    """The options that decide what a run computes."""
    return {key: value for key, value in run.options.items() if not key.startswith(OWN)}


def grouped(runs: Sequence[RunRecord]) -> list[RunGroup]:
    """The runs in groups of equal options, in the order of the first run of each; labels are made to differ."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        key = json.dumps(compared(run), sort_keys=True, default=str) if run.options else str(run.folder)
        groups.setdefault(key, []).append(run)
    firsts = [each[0] for each in groups.values()]
    return [RunGroup(_label(each[0], _differing_of_kind(each[0], firsts)), tuple(each)) for each in groups.values()]


def differing_options(runs: Sequence[RunRecord]) -> list[str]:
    """The names of options in which runs of one network and task differ, the seed and where they ran left out."""
    return list(dict.fromkeys(name for run in runs for name in _differing_of_kind(run, runs)))


def _differing_of_kind(run: RunRecord, runs: Sequence[RunRecord]) -> list[str]:
    kin = [other for other in runs if (other.model, other.task) == (run.model, run.task) and other.options]
    return [name for name in compared(run) if len({_value(other, name) for other in kin}) > 1]


def differences_to_twins(groups: Sequence[RunGroup]) -> list[TwinDifference]:
    """One difference for each group whose additive twin, the same options but for the product, is among the groups."""
    twins = {_but_product(group): group for group in groups if group.options.get(PRODUCT) == TWIN}
    made = []
    for group in groups:
        twin = twins.get(_but_product(group))
        if group.options.get(PRODUCT) in (None, TWIN) or twin is None:
            continue
        ours, theirs = group.results, twin.results
        both = [seed for seed in ours if seed in theirs]
        if both:
            values = tuple(ours[seed] - theirs[seed] for seed in both)
            made.append(TwinDifference(group, twin, group.runs[0].metric, values))
    return made


def _label(run: RunRecord, differing: Sequence[str]) -> str:
    if not run.options:
        return run.name
    told = [f"{name.removeprefix('model.')} {_shown(run, name)}" for name in differing if name in run.options]
    return ", ".join([f"{run.model} on {run.task}", *told])


def _shown(run: RunRecord, name: str) -> str:
    value = run.options[name]
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else as_text(value)


def _value(run: RunRecord, name: str) -> str:
    return json.dumps(run.options.get(name), sort_keys=True, default=str)


def _but_product(group: RunGroup) -> str:
    return json.dumps({k: v for k, v in group.options.items() if k != PRODUCT}, sort_keys=True, default=str)
