"""One case: our kernel and each peer's in turn, A B A B, with agreement, memory, the proof's cost and the bound."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recipes.bench.packages import Peer
from recipes.bench.process import Failed, Worker
from recipes.bench.proof import has_proof
from recipes.bench.settings import Settings
from recipes.bench.stages import run_stages
from recipes.bench.worker import Job

GEMM = 2048
# A call of more than this many seconds is timed once, by its first call.
ONCE = 60.0
# Calls with the proof are timed, in turn with those without it, in so many pairs of processes, in each for about so
# many seconds and at most so often: a few short calls say nothing of a few per cent, nor does one pair, since where a
# process lies in memory changes its time by as much.
PROOF_PROCESSES, PROOF_SECONDS, PROOF_ROUNDS = 3, 30.0, 60
# A peer computes another kernel if its relative error against ours is above this.
AGREES = 1e-4


def run_case(name: str, peers: list[Peer], s: Settings) -> dict[str, Any]:
    """All measurements of one case, as plain types."""
    from recipes.bench.cases import CASES, contraction_flops

    case = CASES[name]
    job = s.job(name, case.quick if s.quick else case.samples)
    gemm = gemm_rate(s)
    flops = contraction_flops(name, job.samples, {})
    passes = 0.0 if case.dense else alone("ours.passes", job, s)["median"]
    result: dict[str, Any] = {"title": case.title, "samples": job.samples, "gemm_flops": gemm}
    result["bound"] = {"contraction_flops": flops, "passes_seconds": passes, "seconds": flops / gemm + passes}
    reference = s.folder / "ours.npy"
    with Worker("ours.kernel", job) as ours:
        first = ours.call(reference)
        result["ours"] = {**ours.about, "peak_bytes": first["peak_bytes"]}
        result["peers"] = {peer.name: against(peer, ours, job, s) for peer in peers}
        times = [t for peer in result["peers"].values() for t in peer.get("ours_seconds", [])]
        times += [ours.seconds() for _ in range(s.repeats - len(times))]
    result["proof"] = proof(job, s) if has_proof() else {}
    result["ours"] |= summary(times)
    result["stages"] = run_stages(job, s)
    return result


def against(peer: Peer, ours: Worker, job: Job, s: Settings) -> dict[str, Any]:
    """A peer's times in turn with ours; its first call is a warm-up, whose kernel is checked against ours."""
    if not peer.python.exists():
        return {"error": "not measured: no environment", "make": peer.make}
    kernel = s.folder / "peer.npy"
    try:
        with Worker(peer.module, job, str(peer.python), s.limit) as worker:
            first = worker.call(kernel)
            measured = {
                **worker.about,
                "peak_bytes": first["peak_bytes"],
                "error_to_ours": difference(s.folder, kernel),
            }
            print(f"  {peer.name}: {first['seconds']:.3g} s, differs by {measured['error_to_ours']:.1e}", flush=True)
            if measured["error_to_ours"] > AGREES:
                return {**measured, "error": "computes another kernel"}
            if first["seconds"] > ONCE:
                return {**measured, **summary([first["seconds"]]), "once": True, "ours_seconds": [ours.seconds()]}
            pairs = [(ours.seconds(), worker.seconds()) for _ in range(s.rounds(first["seconds"]))]
            return {**measured, **summary([b for _, b in pairs]), "ours_seconds": [a for a, _ in pairs]}
    except Failed as error:
        print(f"  {peer.name}: {error}", flush=True)
        return {"error": str(error)}


def proof(job: Job, s: Settings) -> dict[str, Any]:
    """The times of the kernel with its run-time proof, as a user calls it, in turn with those without it."""
    pairs: list[tuple[float, float]] = []
    for _ in range(1 if s.quick else PROOF_PROCESSES):
        with Worker("ours.kernel", job) as ours, Worker("ours.kernel", replace(job, verify="")) as proven:
            ours.call()
            first = proven.call(s.folder / "proven.npy")
            rounds = min(PROOF_ROUNDS, max(s.repeats, int(PROOF_SECONDS / (4 * first["seconds"]))))
            pairs += [(ours.seconds(), proven.seconds()) for _ in range(s.repeats if s.quick else rounds)]
    about = {"peak_bytes": first["peak_bytes"], "ours_seconds": [a for a, _ in pairs]}
    return {**summary([b for _, b in pairs]), **about}


def alone(module: str, job: Job, s: Settings) -> dict[str, Any]:
    """The times and memory of a worker without peers."""
    with Worker(module, job) as worker:
        first = worker.call(s.folder / "alone.npy")
        times = [worker.seconds() for _ in range(s.rounds(first["seconds"]))]
        return {**worker.about, "peak_bytes": first["peak_bytes"], **summary(times)}


def gemm_rate(s: Settings) -> float:
    """The FLOP/s of a float32 product of matrices of 2048 rows, the median of several products."""
    rows = 256 if s.quick else GEMM
    job = Job("gemm", "", rows, s.device, s.threads)
    with Worker("ours.gemm", job) as worker:
        return 2.0 * rows**3 / statistics.median(worker.seconds() for _ in range(3 * s.repeats))


def summary(times: list[float]) -> dict[str, Any]:
    """The median, and all times in their order."""
    return {"median": statistics.median(times), "seconds": times}


def difference(folder: Path, kernel: Path) -> float:
    """The relative Frobenius distance of a saved kernel from ours."""
    ours, other = np.load(folder / "ours.npy"), np.load(kernel)
    return float(np.linalg.norm(other - ours) / np.linalg.norm(ours)) if other.shape == ours.shape else float("inf")
