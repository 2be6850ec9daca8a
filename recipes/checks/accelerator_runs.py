"""Runs on an accelerator: the default one beside the CPU's, in bfloat16, resumed, and by two processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from hpnets.atomic_files import read_tensors
from hpnets.options import RunOptions, TrainerOptions, WandbOptions
from hpnets.training import LitModel, RunFolder, train
from recipes.checks.accelerator_page import Check

EPOCHS = 20
CUT = 100  # the step at which a run is stopped, within an epoch
FIRST, LAST = "kernel_first", "kernel_last"


class PowerCut(Exception):
    """What stops a run in mid-epoch."""


def default(device: str) -> Iterator[Check]:
    """The default run on the device, and on the CPU: the first kernels agree, and the results about do."""
    with tempfile.TemporaryDirectory() as folder:
        here, there = trained(Path(folder) / "here", device), trained(Path(folder) / "cpu", "cpu")
        yield Check("default run: the first kernel, beside the CPU's", difference(here, there, FIRST), 1e-5)
        yield Check("default run: the last kernel", difference(here, there, LAST), 0.1)
        yield from accuracies("default run", here, there, 0.015)


def bf16(device: str) -> Iterator[Check]:
    """The default run in bf16-mixed: its kernels are of the same float32 weights, in float32."""
    with tempfile.TemporaryDirectory() as folder:
        half = trained(Path(folder) / "bf16", device, precision="bf16-mixed")
        whole = trained(Path(folder) / "32", device)
        yield Check("bf16-mixed: the first kernel, beside 32-true's", difference(half, whole, FIRST), 1e-5)
        yield Check("bf16-mixed: the last kernel", difference(half, whole, LAST), 0.3)
        yield from accuracies("bf16-mixed", half, whole, 0.02)


def resume(device: str) -> Iterator[Check]:
    """The default run, stopped in mid-epoch and resumed, beside the uncut one: bit for bit on a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        uncut, cut = Path(folder) / "uncut", Path(folder) / "cut"
        whole = trained(uncut, device, save_every=7)
        with mock.patch.object(LitModel, "training_step", stopping_at(CUT)), suppress(PowerCut):
            trained(cut, device, save_every=7)
        resumed = trained(cut, device, resume=True, save_every=7)
        same = resumed.weights.read_bytes() == whole.weights.read_bytes()
        note = "the same bits" if same else "other bits"
        yield Check("resumed: the weights, beside the uncut run's", weight_difference(resumed, whole), 1e-5, note)
        yield Check("resumed: the last kernel", difference(resumed, whole, LAST), 1e-4)


def processes(device: str) -> Iterator[Check]:
    """The default run by two processes, a device each, beside that of one; nothing where there is one device only."""
    if device != "cpu" and torch.cuda.device_count() < 2:
        return
    backend = "gloo" if device == "cpu" else "NCCL"
    with tempfile.TemporaryDirectory() as folder:
        two, one = Path(folder) / "two", trained(Path(folder) / "one", device)
        words = f"--model ccp --wandb off --trainer.devices 2 --trainer.strategy ddp --out {two}"
        kind = f"--trainer.accelerator {accelerator_of(device)}"
        command = [sys.executable, "-m", "hpnets", "train", *words.split(), *kind.split()]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"two processes ended with {done.returncode}: {done.stderr[-500:]}")
        name = f"two processes, {backend}"
        yield Check(f"{name}: the first kernel, beside one process's", difference(RunFolder(two), one, FIRST), 1e-5)
        yield Check(f"{name}: the last kernel", difference(RunFolder(two), one, LAST), 0.1)
        yield from accuracies(name, RunFolder(two), one, 0.015)


RUNS: dict[str, Callable[[str], Iterator[Check]]] = {
    "default": default,
    "bf16": bf16,
    "resume": resume,
    "processes": processes,
}


def trained(folder: Path, device: str, resume: bool = False, **trainer: Any) -> RunFolder:
    """The default run in `folder` on `device`, with other options of the trainer."""
    chosen = TrainerOptions(max_epochs=EPOCHS, accelerator=accelerator_of(device), devices=1, **trainer)
    options = RunOptions(model={"name": "ccp"}, task={"name": "digits"}, trainer=chosen, wandb=WandbOptions("off"))
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        train(options, folder, resume)
    return RunFolder(folder)


def accelerator_of(device: str) -> str:
    """The name that Lightning has for a device of torch."""
    return "cpu" if device == "cpu" else "gpu"


def stopping_at(step: int) -> Callable[..., Any]:
    """LitModel's training step, but for PowerCut at this step."""
    own = LitModel.training_step

    def training_step(module: LitModel, batch: Any, batch_idx: int) -> Any:
        if module.global_step == step:
            raise PowerCut
        return own(module, batch, batch_idx)

    return training_step


def difference(here: RunFolder, there: RunFolder, kernel: str) -> float:
    """|K - K'| / |K'| of a kernel of two runs."""
    a, b = (read_tensors(run.kernel)[kernel].double() for run in (here, there))
    return float((a - b).norm() / b.norm())


def weight_difference(here: RunFolder, there: RunFolder) -> float:
    """The largest |w - w'| / |w'| of a parameter of two runs."""
    a, b = (read_tensors(run.weights) for run in (here, there))
    return max(float((a[key] - b[key]).norm() / b[key].norm().clamp_min(1e-12)) for key in b)


def accuracies(name: str, here: RunFolder, there: RunFolder, allowed: float) -> Iterator[Check]:
    """The difference of their test accuracies, with both and the seconds in the note."""
    a, b = (run.read_summary() for run in (here, there))
    first, second = (summary["metrics"]["test/accuracy"] for summary in (a, b))
    note = f"{first:.4f} in {a['seconds']:.1f} s, {second:.4f} in {b['seconds']:.1f} s"
    yield Check(f"{name}: the accuracy", abs(first - second), allowed, note)
