"""What tracking the kernel costs the default run."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ABOUT = (
    "The default run (CCP of degree 4 on digits, 20 epochs, the kernel of 100 samples at the start and each epoch) "
    "without kernel tracking (`off`), with the kernel by vmap of jacrev (`jacobian`), and with the engine's choice "
    "(`auto`), in turn; mean and standard deviation over the seeds. Seconds are those of summary.json: all but imports."
)
TRAIN = Path(__file__).parents[1] / "train.py"
# Off; as it was before the structured engine; as it is.
VARIANTS = {
    "off": ("--ntk.every", "off"),
    "jacobian": ("--ntk.algorithm", "jacobian"),
    "auto": (),
}


def run_monitor(folder: Path, seeds: int) -> dict[str, Any]:
    """Seconds and test accuracy of the default run by variant, A B C A B C over the seeds."""
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "accuracy": []} for name in VARIANTS}
    for seed in range(seeds):
        for name, flags in VARIANTS.items():
            summary = train(folder / f"{name}-{seed}", seed, flags)
            found[name]["seconds"].append(summary["seconds"])
            found[name]["accuracy"].append(summary["metrics"]["test/accuracy"])
    return found


def train(out: Path, seed: int, flags: tuple[str, ...]) -> dict[str, Any]:
    """summary.json of one run in a process of its own; its seconds leave out Python's imports."""
    command = [sys.executable, str(TRAIN), "--seed", str(seed), "--wandb", "off", "--out", str(out), *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "summary.json").read_text())


def monitor_table(found: dict[str, Any]) -> str:
    """Mean and standard deviation over the seeds, and the cost of each measurement's way over none."""
    base = statistics.mean(found["off"]["seconds"])
    lines = ["| kernel | seconds | over none | test accuracy |", "| --- | --- | --- | --- |"]
    for name, values in found.items():
        cost = f"{statistics.mean(values['seconds']) / base - 1:+.1%}"
        lines.append(f"| {name} | {spread(values['seconds'], 2)} | {cost} | {spread(values['accuracy'], 4)} |")
    return "\n".join(lines)


def spread(values: list[float], digits: int) -> str:
    """Mean +- standard deviation."""
    return f"{statistics.mean(values):.{digits}f} +- {statistics.stdev(values):.{digits}f}"
