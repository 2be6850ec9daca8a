"""Measures curvature: the largest eigenvalues beside the peers', what a product costs, and what the monitor costs."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from hpnets.statistics import median, middle, table
from recipes.bench.cases import CASES, prepare
from recipes.bench.monitor import train
from recipes.bench.process import Worker
from recipes.bench.worker import Job

ABOUT = (
    "The Hessian of the cross-entropy of a network with random labels, in float32 and eval mode. First its 5 largest "
    "eigenvalues, with the same weights and inputs, by hpnets (`sharpness` to a residual of 1e-5), curvlinops (in "
    "scipy's Lanczos, tolerance 1e-5) and hessian-eigenthings (60 steps of its own Lanczos), in turn; values differ by "
    "the largest |l - l'| / l_1 from those of hpnets. Then one gradient beside one product with the Hessian, with its "
    "Gauss-Newton part and with the residual; bytes are the highest beyond those held before, the product's with the "
    "making of its graph. Last the default run with and without `--curvature.every epoch`. Median (least - greatest) "
    "over the rounds."
)
PRODUCTS = ("gradient", "hessian", "gauss_newton", "residual")
# The peers' modules, and what their folders of `venvs` hold beside torch.
PEERS = {
    "curvlinops": ("peers.curvlinops_hessian", "curvlinops-for-pytorch==3.0.1 numpy scipy"),
    "hessian-eigenthings": ("peers.hessian_eigenthings", "hessian-eigenthings==1.0.0a5 numpy"),
}
RUNS = {"off": (), "epoch": ("--curvature.every", "epoch"), "log": ("--curvature.every", "log")}


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
            workers[name].call(folder / "values.npy")
            values = np.load(folder / "values.npy").astype(float).tolist()
            measured[name] = {"values": values, "versions": workers[name].about["versions"], "seconds": []}
        for _ in range(repeats):
            for name, worker in workers.items():
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
            seconds = [worker.seconds() for _ in range(max(repeats, 3))]
        with Worker("ours.sharpness", _for(job, fresh)) as worker:
            peak = worker.call(folder / "vector.npy")["peak_bytes"]
        measured[what] = {"seconds": seconds, "peak_bytes": peak}
    return measured


def _for(job: Job, outputs: str) -> Job:
    return Job(job.case, job.data, job.samples, threads=job.threads, outputs=outputs)


def monitor_cost(folder: Path, seeds: int) -> dict[str, list[float]]:
    """The seconds of the default run by schedule of the curvature, in turn over the seeds."""
    seconds: dict[str, list[float]] = {name: [] for name in RUNS}
    for seed in range(seeds):
        for name, flags in RUNS.items():
            out = folder / f"{name}-{seed}"
            seconds[name].append(train(out, seed, (*flags, "--wandb", "off"))["seconds"])
    return seconds


def curvature_table(results: dict[str, Any]) -> str:
    """The three tables of the page."""
    tops, products = [], []
    for name, contenders in results["top"].items():
        ours = np.array(contenders["hpnets"]["values"])
        for who, measured in contenders.items():
            difference = float(np.abs(np.array(measured["values"]) - ours).max() / abs(ours[0]))
            largest = f"{measured['values'][0]:.6g}"
            apart = "-" if who == "hpnets" else f"{difference:.1e}"
            tops.append((CASES[name].title, who, largest, apart, middle(measured["seconds"], ".3f")))
    for name, kinds in results["products"].items():
        base = kinds["gradient"]
        for what, measured in kinds.items():
            times = f"{median(measured['seconds']) / median(base['seconds']):.2f}"
            memory = f"{measured['peak_bytes'] / max(base['peak_bytes'], 1):.2f}"
            mib = f"{measured['peak_bytes'] / 2**20:.1f}"
            products.append((CASES[name].title, what, middle(measured["seconds"], ".4f"), times, mib, memory))
    parts = [
        table(("network", "by", "largest eigenvalue", "apart from hpnets", "seconds"), tops),
        table(("network", "one", "seconds", "in gradients", "peak MiB", "in gradients"), products),
    ]
    if results["monitor"]:
        base = median(results["monitor"]["off"])
        runs = [(n, middle(s, ".2f"), f"{median(s) / base - 1:+.1%}") for n, s in results["monitor"].items()]
        parts.append(table(("curvature.every", "seconds", "over off"), runs))
    return "\n\n".join(parts)
