"""Short real runs for the tests: in this process, or as `python recipes/train.py` in another."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.training import LitModel, train

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


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors", "config.yaml"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    assert set(os.listdir(a)) == set(os.listdir(b))


class PowerCut(Exception):
    """What tests raise in mid-training."""


def train_until(step: int, options: RunOptions, folder: Path, resume: bool = False) -> None:
    """Train, but let the training step fail at this step."""
    training_step = LitModel.training_step

    def failing(module: LitModel, batch: Any, batch_idx: int) -> Any:
        if module.global_step == step:
            raise PowerCut
        return training_step(module, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitModel, "training_step", failing)
        with pytest.raises(PowerCut):
            train(options, folder, resume)
