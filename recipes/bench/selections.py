"""Our kernels of other output selections: seconds, memory, and what the proof of one output costs beside passes."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from recipes.bench.measure import alone, summary
from recipes.bench.process import Worker
from recipes.bench.settings import Settings
from recipes.bench.worker import Job

SELECTIONS = ("trace", 0, "sum")
# Those whose proof is measured, which are of one output.
PROVEN = (0, "sum")
# Where blocks come to lie changes the peak by a quarter from process to process: the greatest of so many is taken.
PROCESSES = 5


def run_selections(names: Iterable[str], s: Settings) -> dict[str, Any]:
    """By case and selection its measurement."""
    from recipes.bench.cases import CASES

    measured: dict[str, Any] = {}
    for name in names:
        job = s.job(name, CASES[name].quick if s.quick else CASES[name].samples)
        measured[name] = {str(o): selection(replace(job, outputs=o), s) for o in SELECTIONS}
        print(f"  selections of {name}", flush=True)
    return measured


def selection(job: Job, s: Settings) -> dict[str, Any]:
    """The times of all processes, and the greatest of their peaks."""
    each = replace(s, repeats=-(-s.repeats // PROCESSES))
    runs = [alone("ours.kernel", job, each) for _ in range(1 if s.quick else PROCESSES)]
    times = summary([t for run in runs for t in run["seconds"]])
    proof = {"proof": proof_and_passes(job, s)} if job.outputs in PROVEN else {}
    return {**runs[0], "peak_bytes": max(run["peak_bytes"] for run in runs), **times, **proof}


def proof_and_passes(job: Job, s: Settings) -> dict[str, list[float]]:
    """Seconds, in turn, of the kernel without and with its proof, and of a plain forward and backward pass."""
    with Worker("ours.proof", job) as worker:
        worker.call(s.folder / "proof.npy")
    rounds = np.load(s.folder / "proof.npy")
    return dict(zip(("off", "always", "forward", "backward"), rounds.T.tolist(), strict=True))
