"""Times our limit kernel and neural-tangents' in turn, each in a process of its own on the same two cores."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from hpnets.statistics import middle
from hpnets.statistics import table as markdown
from recipes.bench.process import Worker
from recipes.bench.worker import Job

THREADS, FEATURES = 2, 64
NETS = {"mlp": "MLP of 4 hidden ReLU layers", "pnn": "product of 4 ReLU features"}
ABOUT = (
    f"Covariance and NTK of N normal points in R^{FEATURES} with themselves, float64. Each side is a process bound to "
    f"{THREADS} cores, started and warmed up (neural-tangents jit-compiled) before the clock; one call each in turn, A "
    "B A B. Shown is the median (least - greatest); peak is the process's largest resident memory."
)


def race(venv: Path, repeats: int, points: int) -> dict[str, Any]:
    """The seconds by net and side, peaks, and the kernels' differences; ValueError without the virtual environment."""
    python = venv / "bin" / "python"
    if not python.exists():
        raise ValueError(f"no such file: {python}; make the environment as tests/theory/make_reference.py says")
    with tempfile.TemporaryDirectory() as folder:
        return {"points": points, "nets": {net: one(net, python, repeats, points, Path(folder)) for net in NETS}}


def one(net: str, python: Path, repeats: int, points: int, folder: Path) -> dict[str, Any]:
    """One net, A B A B after a warm-up of both sides, whose results are compared; raises Failed if a side ends."""
    np.savez(folder / "x.npz", x=np.random.RandomState(0).randn(points, FEATURES))
    job = Job(net, str(folder / "x.npz"), points, threads=THREADS)
    sides = {"hpnets": ("ours.limit", sys.executable), "neural-tangents": ("peers.neural_tangents_limit", str(python))}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(module, job, its_python)) for name, (module, its_python) in sides.items()
        }
        first = {name: worker.call(folder / f"{name}.npy") for name, worker in workers.items()}
        rounds = [{name: worker.call()["seconds"] for name, worker in workers.items()} for _ in range(repeats)]
    ours, theirs = (np.load(folder / f"{name}.npy") for name in sides)
    return {
        "seconds": {name: [seconds[name] for seconds in rounds] for name in sides},
        "peak_bytes": {name: answer["resident_bytes"] for name, answer in first.items()},
        "relative_difference": float(np.abs(ours - theirs).max() / np.abs(theirs).max()),
    }


def table(measured: dict[str, Any]) -> str:
    """A table with a row for each net and side."""
    rows = [
        (
            NETS[net],
            name,
            middle(seconds, ".3g"),
            f"{one['peak_bytes'][name] / 1e6:,.0f}",
            f"{one['relative_difference']:.1e}",
        )
        for net, one in measured["nets"].items()
        for name, seconds in one["seconds"].items()
    ]
    return f"N = {measured['points']:,}.\n\n{markdown(('net', 'by', 'seconds', 'peak MB', 'kernels apart'), rows)}"
