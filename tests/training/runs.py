"""Short real runs for the tests: in this process, or as `python recipes/train.py` in another."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions

ROOT = Path(__file__).parents[2]


def small_options(**changes: object) -> RunOptions:
    """CCP of degree 3 on digits, two epochs of 9 steps, 20 probe samples."""
    options = {
        "model": {"name": "ccp", "degree": 3, "width": 16},
        "task": {"name": "digits", "batch_size": 132},
        "optim": OptimOptions(lr=0.01),
        "ntk": NTKOptions(probe=20),
        "trainer": TrainerOptions(max_epochs=2, accelerator="cpu"),
        "wandb": "off",
        "seed": 0,
    }
    return RunOptions(**{**options, **changes})


def start_train(*flags: str, **environment: str) -> subprocess.Popen[str]:
    """recipes/train.py in a process of its own, one thread, its output captured."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "recipes" / "train.py"), *flags],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    """Wait for a process; its output. Fails with the output if it does not exit with `status`."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == status, output
    return output


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv as text."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))
