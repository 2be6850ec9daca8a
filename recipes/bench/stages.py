"""Our time in a case, by the stages of the structured algorithm and by kinds of operations."""

import statistics
from typing import Any

import numpy as np

from recipes.bench.process import Worker
from recipes.bench.settings import Settings
from recipes.bench.worker import Job

STAGES = ("plan", "passes", "contraction")
KINDS = ("products", "convolutions", "copies", "rest")


def run_stages(job: Job, s: Settings) -> dict[str, Any]:
    """The median seconds of each stage, and the share of each kind of operation in the profile."""
    rows = []
    with Worker("ours.stages", job) as worker:
        for _ in range(s.rounds(worker.call()["seconds"])):
            worker.call(s.folder / "stages.npy")
            rows.append(np.load(s.folder / "stages.npy"))
    stages = {name: statistics.median(float(row[0, i]) for row in rows) for i, name in enumerate(STAGES)}
    shares = [row[1] / row[1].sum() for row in rows]
    return {
        "seconds": stages,
        "shares": {name: statistics.median(float(share[i]) for share in shares) for i, name in enumerate(KINDS)},
    }


def stages_rows(cases: dict[str, Any]) -> list[list[str]]:
    """One row for each case: milliseconds by stage, and shares by kind."""
    return [
        [name, *(f"{1e3 * case['stages']['seconds'][stage]:.1f}" for stage in STAGES)]
        + [f"{case['stages']['shares'][kind]:.0%}" for kind in KINDS]
        for name, case in cases.items()
        if "stages" in case
    ]
