"""Measures what tracking the kernel costs the default run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hpnets.statistics import median, middle, table
from recipes import ROOT

TARGET = 0.05
ABOUT = (
    "The default run (CCP of degree 4 on digits, 20 epochs, the kernel of 100 samples at the start and each epoch) "
    "without kernel tracking (`off`), with the kernel by vmap of jacrev (`jacobian`), and with the engine's choice "
    "(`auto`), in turn; each as the command runs it, with wandb in its folder, and bare, with `--wandb off`; median "
    "(least - greatest) over the seeds. Seconds are those of summary.json: all but imports. Whole runs differ by more "
    "than tracking takes, so that its own seconds are added up too: those of `NTKMonitor`, its check and all hooks "
    "(`recipes/bench/tracked.py`), with the run-time proof and the logging, without wandb's start, which comes with "
    "whatever is logged first, and the sending of its rows, one a step whatever is logged at it (what a measurement "
    "adds to a row takes some .2 ms). Its share is that of the same run's seconds; "
    f"the target of the engine's choice in the default run is at most {TARGET:.0%}."
)
# The variants: no tracking, tracking as it was before the structured engine, and as it is.
VARIANTS = {
    "off": ("--ntk.every", "off"),
    "jacobian": ("--ntk.algorithm", "jacobian"),
    "auto": (),
}
WANDB = {"default": "offline", "bare": "off"}


def run_monitor(folder: Path, seeds: int) -> dict[str, Any]:
    """Seconds, tracking's own, and test accuracy of the default run by "way, kernel", in turn over the seeds."""
    ways = {f"{way}, {name}": (*flags, "--wandb", WANDB[way]) for way in WANDB for name, flags in VARIANTS.items()}
    measured: dict[str, dict[str, list[float]]] = {
        name: {"seconds": [], "tracking": [], "accuracy": []} for name in ways
    }
    for seed in range(seeds):
        for name, flags in ways.items():
            summary, tracking = train(folder / f"{name}-{seed}", seed, flags)
            measured[name]["seconds"].append(summary["seconds"])
            measured[name]["tracking"].append(tracking)
            measured[name]["accuracy"].append(summary["metrics"]["test/accuracy"])
    return measured


def train(out: Path, seed: int, flags: tuple[str, ...]) -> tuple[dict[str, Any], float]:
    """The summary.json of one run in a process of its own, whose seconds leave out imports; tracking's own seconds."""
    file = out.with_suffix(".seconds")
    command = [sys.executable, "-m", "recipes.bench.tracked", str(file), "--seed", str(seed), "--out", str(out), *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return json.loads((out / "summary.json").read_text()), float(file.read_text())


def monitor_table(measured: dict[str, Any]) -> str:
    """A table of the medians by way and kernel, with their cost over the same way without tracking."""
    rows = []
    for name, values in measured.items():
        base = median(measured[f"{name.split(', ')[0]}, off"]["seconds"])
        cost = f"{median(values['seconds']) / base - 1:+.1%}"
        shares = [100 * own / whole for own, whole in zip(values["tracking"], values["seconds"], strict=True)]
        numbers = (middle(values["seconds"], ".2f"), cost, middle(values["tracking"], ".3f"), middle(shares, ".1f"))
        rows.append((name, *numbers, middle(values["accuracy"], ".4f")))
    return table(("run, kernel", "seconds", "over none", "tracking's own", "its share, %", "test accuracy"), rows)
