"""Our limit kernel and neural-tangents' in turn, each in a process of its own on the same two cores."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from recipes import ROOT

THREADS, FEATURES = 2, 64
NETS = {"mlp": "MLP of 4 hidden ReLU layers", "pnn": "product of 4 ReLU features"}
ABOUT = (
    f"Covariance and NTK of N normal points in R^{FEATURES} with themselves, float64. Each side is a process bound to "
    f"{THREADS} cores, started and warmed up (neural-tangents jit-compiled) before the clock; one call each in turn, A "
    "B A B. Shown is the median (least - greatest); peak is the process's largest resident memory."
)


class Contestant:
    """A worker process that answers each line with the seconds of one call and its peak memory; its stderr is ours."""

    def __init__(self, python: str, module: str, net: str, points: int, kernel: Path) -> None:
        threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        environment = os.environ | threads | {"JAX_PLATFORMS": "cpu"}
        cores = set(sorted(os.sched_getaffinity(0))[:THREADS])
        self.process = subprocess.Popen(
            [python, "-m", f"recipes.bench.{module}", net, str(points), str(FEATURES), kernel],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def call(self) -> dict[str, float]:
        """Seconds and peak bytes; ValueError where the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise ValueError(f"{self.process.args!r} ended with {self.process.wait()}; what it printed says why")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def race(venv: Path, repeats: int, points: int) -> dict[str, Any]:
    """Seconds by net and side, peaks, and how far the kernels are apart; ValueError without the environment."""
    python = venv / "bin" / "python"
    if not python.exists():
        raise ValueError(f"no such file: {python}; make the environment as tests/theory/make_reference.py says")
    with tempfile.TemporaryDirectory() as folder:
        return {"points": points, "nets": {net: one(net, python, repeats, points, Path(folder)) for net in NETS}}


def one(net: str, python: Path, repeats: int, points: int, folder: Path) -> dict[str, Any]:
    """One net, A B A B after a warm-up of both."""
    files = {"hpnets": folder / "ours.npy", "neural-tangents": folder / "theirs.npy"}
    sides = {
        "hpnets": Contestant(sys.executable, "ours.limit", net, points, files["hpnets"]),
        "neural-tangents": Contestant(
            str(python), "peers.neural_tangents_limit", net, points, files["neural-tangents"]
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks = {}
    for round_ in range(repeats + 1):
        for name, side in sides.items():
            answer = side.call()
            peaks[name] = answer["peak_bytes"]
            if round_:
                seconds[name].append(answer["seconds"])
    for side in sides.values():
        side.close()
    ours, theirs = (np.load(path) for path in files.values())
    apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return {"seconds": seconds, "peak_bytes": peaks, "relative_difference": apart}


def table(found: dict[str, Any]) -> str:
    """A row a net and side."""
    lines = [f"N = {found['points']:,}.", "", "| net | | seconds | peak MB | kernels apart |", "| --- " * 5 + "|"]
    for net, one in found["nets"].items():
        for name, s in one["seconds"].items():
            lines.append(
                f"| {NETS[net]} | {name} | {statistics.median(s):.3g} ({min(s):.3g} - {max(s):.3g}) | "
                f"{one['peak_bytes'][name] / 1e6:,.0f} | {one['relative_difference']:.1e} |"
            )
    return "\n".join(lines)
