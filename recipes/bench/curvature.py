"""Measures curvature: the largest eigenvalues beside the peers', what a product costs, and what the monitor costs."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpnets.statistics import median, middle, table
from recipes.bench.cases import CASES, prepare
from recipes.bench.monitor import train
from recipes.bench.process import Worker
from recipes.bench.table import verdict
from recipes.bench.worker import Job

ABOUT = (
    "The Hessian of the cross-entropy of a network with random labels, in float32 and eval mode. First its 5 largest "
    "eigenvalues, with the same weights and inputs, by hpnets (`sharpness` to a residual of 1e-5), curvlinops (in "
    "scipy's Lanczos, tolerance 1e-5) and hessian-eigenthings (60 steps of its own Lanczos), in turn; values differ by "
    "the largest |l - l'| / l_1 from those of hpnets. Those of ResNet-18, whose bases take gigabytes, are left out. "
    "Then one gradient beside one product with the Hessian, with its Gauss-Newton part and with the residual; bytes "
    "are the highest beyond those held before, the product's with the making of its graph. Last the default run with "
    "and without `--curvature.every epoch`. Median (least - greatest) over the rounds, of which there are fewer where "
    "they take longer than {budget:g} s. Targets: hpnets' seconds at most the fastest peer's; a product at most 3 "
    "gradients in seconds and memory."
)
# All rounds of one measurement take about so many seconds at most; one is always made.
BUDGET = 20.0
# In gradients, and in seconds of the fastest peer.
PRODUCT, PEER = 3.0, 1.0
# The bases of so many parameters take gigabytes.
MOST_PARAMETERS = 2_000_000
PRODUCTS = ("gradient", "hessian", "gauss_newton", "residual")
# The peers' modules, and what their folders of `venvs` hold beside torch.
PEERS = {
    "curvlinops": ("peers.curvlinops_hessian", "curvlinops-for-pytorch==3.0.1 numpy scipy"),
    "hessian-eigenthings": ("peers.hessian_eigenthings", "hessian-eigenthings==1.0.0a5 numpy"),
}
RUNS = {"off": (), "epoch": ("--curvature.every", "epoch")}


def run_curvature(
    folder: Path, venvs: Path, cases: list[str], peers: list[str], repeats: int, threads: int, quick: bool
) -> dict[str, Any]:
    """{"top": .., "products": ..} by case, and {"monitor": ..}; raises ValueError for a peer that is not there."""
    pythons = {"hpnets": sys.executable, **{name: python_of(name, venvs) for name in peers}}
    results: dict[str, Any] = {"top": {}, "products": {}}
    for name in cases:
        case = CASES[name]
        samples = case.quick if quick else case.samples
        job = Job(name, str(prepare(name, folder, samples, {})), samples, threads=threads, outputs="top")
        if sum(p.numel() for p in case.build().parameters()) <= MOST_PARAMETERS:
            results["top"][name] = top_of(job, pythons, folder, repeats)
        results["products"][name] = products_of(job, folder, repeats)
    results["monitor"] = {} if quick else monitor_cost(folder, repeats)
    return results


def python_of(name: str, venvs: Path) -> str:
    """The Python of a peer's environment."""
    python = venvs / name / "bin" / "python"
    if not python.exists():
        needs = f"python -m venv {venvs / name} && {venvs / name}/bin/pip install {PEERS[name][1]}"
        raise ValueError(f"there is no {python}; make it: {needs}, or leave {name} out of --peers")
    return str(python.absolute())


def top_of(job: Job, pythons: dict[str, str], folder: Path, repeats: int) -> dict[str, Any]:
    """The eigenvalues, their versions and the seconds of every contender, A B A B."""
    workers, measured = {}, dict[str, Any]()
    try:
        for name, python in pythons.items():
            workers[name] = Worker("ours.sharpness" if name == "hpnets" else PEERS[name][0], job, python)
            first = workers[name].call(folder / "values.npy")["seconds"]
            values = np.load(folder / "values.npy").astype(float).tolist()
            versions = workers[name].about["versions"]
            measured[name] = {"values": values, "versions": versions, "seconds": [first] if first > BUDGET else []}
        for _ in range(repeats):
            for name, worker in workers.items():
                if sum(measured[name]["seconds"]) < BUDGET:
                    measured[name]["seconds"].append(worker.seconds())
    finally:
        for worker in workers.values():
            worker.stop()
    return measured


def products_of(job: Job, folder: Path, repeats: int) -> dict[str, Any]:
    """The seconds and the peak bytes of a gradient and of each product."""
    measured = {}
    for what in PRODUCTS:
        fresh = what if what == "gradient" else f"{what}, fresh"
        with Worker("ours.sharpness", _for(job, what)) as worker:
            worker.call()
            seconds = [reply["seconds"] for reply in rounds(worker.call, max(repeats, 3))]
        with Worker("ours.sharpness", _for(job, fresh)) as worker:
            replies = rounds(partial(worker.call, folder / "vector.npy"), repeats)
            peak = int(median([reply["peak_bytes"] for reply in replies]))
        measured[what] = {"seconds": seconds, "peak_bytes": peak}
    return measured


def rounds(call: Callable[[], dict[str, Any]], repeats: int) -> list[dict[str, Any]]:
    """The replies of at most `repeats` rounds, the fewest that take BUDGET seconds."""
    made = [call()]
    while len(made) < repeats and sum(reply["seconds"] for reply in made) < BUDGET:
        made.append(call())
    return made


def _for(job: Job, outputs: str) -> Job:
    return Job(job.case, job.data, job.samples, threads=job.threads, outputs=outputs)


def monitor_cost(folder: Path, seeds: int) -> dict[str, list[float]]:
    """The seconds of the default run by schedule of the curvature, in turn over the seeds."""
    seconds: dict[str, list[float]] = {name: [] for name in RUNS}
    for seed in range(seeds):
        for name, flags in RUNS.items():
            out = folder / f"{name}-{seed}"
            seconds[name].append(train(out, seed, (*flags, "--wandb", "off"))[0]["seconds"])
    return seconds


def curvature_table(results: dict[str, Any]) -> str:
    """The four tables of the page: targets, eigenvalues, products, and what the monitor costs."""
    tops, products = [], []
    for name, contenders in results["top"].items():
        ours = np.array(contenders["hpnets"]["values"])
        for who, measured in contenders.items():
            difference = float(np.abs(np.array(measured["values"]) - ours).max() / abs(ours[0]))
            largest = f"{measured['values'][0]:.6g}"
            apart = "-" if who == "hpnets" else f"{difference:.1e}"
            tops.append((CASES[name].title, who, largest, apart, middle(measured["seconds"], ".3f")))
    for name, kinds in results["products"].items():
        for what, measured in kinds.items():
            times, memory = (f"{value:.2f}" for value in in_gradients(kinds, what))
            mib = f"{measured['peak_bytes'] / 2**20:.1f}"
            products.append((CASES[name].title, what, middle(measured["seconds"], ".4f"), times, mib, memory))
    parts = [
        table(("network", "what", "measured (target)"), targets(results)),
        table(("network", "by", "largest eigenvalue", "apart from hpnets", "seconds"), tops),
        table(("network", "one", "seconds", "in gradients", "peak MiB", "in gradients"), products),
    ]
    if results["monitor"]:
        base = median(results["monitor"]["off"])
        runs = [(n, middle(s, ".2f"), f"{median(s) / base - 1:+.1%}") for n, s in results["monitor"].items()]
        parts.append(table(("curvature.every", "seconds", "over off"), runs))
    return "\n\n".join(parts)


def targets(results: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the network, what is asked of it, and the measured value with its verdict."""
    rows: list[tuple[str, ...]] = []
    for name, contenders in results["top"].items():
        seconds = {who: median(measured["seconds"]) for who, measured in contenders.items() if who != "hpnets"}
        if seconds:
            fastest = min(seconds, key=lambda who: seconds[who])
            value = median(contenders["hpnets"]["seconds"]) / seconds[fastest]
            what = f"seconds of the eigenvalues over those of {fastest}"
            rows.append((CASES[name].title, what, verdict(value, PEER, "", least=False)))
    for name, kinds in results["products"].items():
        ratios = {what: in_gradients(kinds, what) for what in kinds if what != "gradient"}
        for i, unit in enumerate(("seconds", "memory")):
            value, most = max((pair[i], what) for what, pair in ratios.items())
            what = f"{unit} of a product in gradients, the most ({most})"
            rows.append((CASES[name].title, what, verdict(value, PRODUCT, "", least=False)))
    return rows


def in_gradients(kinds: dict[str, Any], what: str) -> tuple[float, float]:
    """The seconds and the peak bytes of a product over those of the gradient."""
    base, measured = kinds["gradient"], kinds[what]
    seconds = median(measured["seconds"]) / median(base["seconds"])
    return seconds, measured["peak_bytes"] / max(base["peak_bytes"], 1)
