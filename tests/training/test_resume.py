"""A run stopped at any step and resumed equals the run that was never stopped, bit for bit."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import dropout

from hpnets.models.ccp import CCP
from hpnets.options import NTKOptions, OptimOptions, TrainerOptions
from hpnets.training import RunFolder, train
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.schedule import Every
from tests.in_process import run_script
from tests.training.runs import assert_same_run, finish, read_rows, small_options, start_train, train_until

CCP_FORWARD = CCP.forward
FLAGS = (
    *("--model", "ccp", "--model.degree", "3", "--model.width", "16", "--task.batch_size", "64", "--wandb", "off"),
    *("--trainer.max_epochs", "20", "--ntk.every", "7", "--ntk.probe", "20", "--trainer.accelerator", "cpu"),
    *("--curvature.every", "50", "--curvature.probe", "20"),
)


def stop_after_lines(process: subprocess.Popen[str], lines: int, how: signal.Signals, delay: float) -> None:
    """Signal a running process after so many epochs were printed, and then some."""
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.startswith("epoch")
        if seen == lines:
            break
    time.sleep(delay)
    process.send_signal(how)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """This process computes as those that `start_train` starts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_run_stopped_three_times_is_bit_for_bit_the_whole_one(tmp_path: Path) -> None:
    """By kill -9 in the third epoch, by Ctrl-C in the second after that, by SIGTERM at the end of a later one."""
    assert run_script("train", *FLAGS, "--out", str(tmp_path / "whole")) == 0
    folder = tmp_path / "run"
    flags: tuple[str, ...] = (*FLAGS, "--out", str(folder))
    for how, lines, delay, status in (
        (signal.SIGKILL, 2, 0.05, -9),
        (signal.SIGINT, 1, 0.12, 130),
        (signal.SIGTERM, 2, 0.0, 130),
    ):
        process = start_train(*flags)
        stop_after_lines(process, lines, how, delay)
        output, flags = finish(process, status), ("--resume", str(folder))
        # A signal in the midst of a line leaves that line in the buffer, and it is last.
        assert how == signal.SIGKILL or any(" ".join(flags) in line for line in output.splitlines()[-2:])
        assert not (folder / "model.safetensors").exists()
    assert run_script("train", *flags) == 0
    assert_same_run(tmp_path / "whole", folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `small_options`, not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(small_options(), folder)
    return folder


def test_a_run_killed_before_its_first_checkpoint_starts_again(finished: Path, tmp_path: Path) -> None:
    RunFolder(tmp_path / "killed").start(small_options())
    train(RunFolder(tmp_path / "killed").options(), tmp_path / "killed", resume=True)
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (finished / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_fewer_epochs_than_were_trained_are_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    fewer = small_options(trainer=TrainerOptions(max_epochs=1, accelerator="cpu"))
    with pytest.raises(ValueError, match="max_epochs is 1; allowed: >= 2, the epochs trained already"):
        train(fewer, tmp_path / "run", resume=True)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was cut in its second epoch."""
    folder = tmp_path_factory.mktemp("cut") / "run"
    train_until(12, small_options(), folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim": OptimOptions(lr=0.02)}, "optim.lr is 0.02 and was 0.01; allowed in a run that goes on: changes of"),
        ({"seed": 1}, "seed is 1 and was 0"),
        ({"ntk": NTKOptions(probe=21)}, "ntk.probe is 21 and was 20"),
        ({"model": {"name": "ccp", "degree": 3, "width": 17}}, "model.width is 17 and was 16"),
        ({"model": {"name": "mlp", "width": 16}}, "model.name is 'mlp' and was 'ccp'"),
        ({"task": {"name": "digits", "batch_size": 66}}, "task.batch_size is 66 and was 132"),
        ({"trainer": TrainerOptions(max_epochs=9, accelerator="cpu", precision="64-true")}, "trainer.precision is"),
    ],
)
def test_a_run_does_not_go_on_with_other_options(cut: Path, changes: dict[str, Any], message: str) -> None:
    before = {p: p.read_bytes() for p in cut.rglob("*.*")}
    with pytest.raises(ValueError, match=f"config.yaml: {message}"):
        train(small_options(**changes), cut, resume=True)
    assert {p: p.read_bytes() for p in cut.rglob("*.*")} == before


def test_a_run_goes_on_for_longer_and_elsewhere(cut: Path, tmp_path: Path) -> None:
    longer = TrainerOptions(max_epochs=3, accelerator="auto")
    train(small_options(trainer=longer), tmp_path / "whole")
    shutil.copytree(cut, tmp_path / "cut")
    # Workers fetch rows as soon as they are made, which must not be before the epoch is known.
    more = small_options(trainer=longer, task={"name": "digits", "batch_size": 132, "num_workers": 1})
    train(more, tmp_path / "cut", resume=True)
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_a_checkpoint_of_another_run_is_refused(cut: Path, tmp_path: Path) -> None:
    shutil.copytree(cut, tmp_path / "cut")
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    saved = read_checkpoint(last)
    saved.pop("options")  # as of a version that did not keep them
    name = next(iter(saved["state_dict"]))
    torch.save({**saved, "state_dict": {**saved["state_dict"], name: torch.zeros(2)}}, last)
    with pytest.raises(ValueError, match=rf"last.ckpt is not of the network .*: {name} is \(2,\)"):
        train(small_options(), tmp_path / "cut", resume=True)
    torch.save({"epoch": 1}, last)
    with pytest.raises(ValueError, match=r"last.ckpt: state_dict is None; allowed: options by name"):
        train(small_options(), tmp_path / "cut", resume=True)


def test_a_finished_run_is_left_as_it_is(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.*")}
    summary = train(RunFolder(tmp_path / "run").options(), tmp_path / "run", resume=True)
    assert summary.ended_before
    assert summary.results["steps"] == 18
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.*")} == before
    with pytest.raises(ValueError, match=r"config.yaml: optim.lr is 0.02 and was 0.01"):
        train(small_options(optim=OptimOptions(lr=0.02)), tmp_path / "run", resume=True)
    RunFolder(tmp_path / "run").last.unlink()
    with pytest.raises(ValueError, match=r"has ended, and there is no .*last.ckpt from which it could go on"):
        train(small_options(), tmp_path / "run", resume=True)


@pytest.mark.parametrize("end", [{"max_epochs": 4}, {"max_steps": 25, "val_every": 5}])
def test_a_run_prolonged_is_a_run_of_that_length(finished: Path, tmp_path: Path, end: dict[str, Any]) -> None:
    """From an epoch's end, and from the midst of one, where the last step of the shorter run was validated too."""
    longer = small_options(trainer=TrainerOptions(**{"max_epochs": 2, **end}, accelerator="cpu"))
    train(longer, tmp_path / "whole")
    if "max_epochs" in end:
        shutil.copytree(finished, tmp_path / "run")
    else:
        shorter = TrainerOptions(**{**end, "max_steps": 13}, accelerator="cpu")
        train(small_options(trainer=shorter), tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").is_file()
    train(longer, tmp_path / "run", resume=True)
    for name in ("model.safetensors", "config.yaml"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    whole, run = (
        {int(row["step"]): {**row, "ntk/velocity": ""} for row in read_rows(tmp_path / name)}
        for name in ("whole", "run")
    )
    if "max_epochs" not in end:
        # The former end: the loss of its last step, and what was measured after it, from which a velocity is taken.
        del run[12], run[13]
    assert run == whole


def test_a_prolonged_run_that_is_cut_has_not_ended(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    longer = small_options(trainer=TrainerOptions(max_epochs=4, accelerator="cpu"))
    train_until(20, longer, tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / "summary.json").exists()
    assert not train(RunFolder(tmp_path / "run").options(), tmp_path / "run", resume=True).ended_before
    train(longer, tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("every", ["epoch", "log", 5])
def test_a_run_cut_at_any_step_goes_on_as_if_it_had_not_been(tmp_path: Path, every: Every) -> None:
    options = small_options(ntk=NTKOptions(probe=20, every=every))
    train(options, tmp_path / "whole")
    for step in (0, 4, 9, 10, 17) if every == "epoch" else (4, 10, 17):
        train_until(step, options, tmp_path / f"cut{step}")
        train(options, tmp_path / f"cut{step}", resume=True)
        assert_same_run(tmp_path / "whole", tmp_path / f"cut{step}")


def test_dropout_draws_the_same_in_a_resumed_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CCP, "forward", lambda net, x: dropout(CCP_FORWARD(net, x), training=net.training))
    train(small_options(), tmp_path / "whole")
    train_until(12, small_options(), tmp_path / "cut")
    train(small_options(), tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_run_folder_can_be_moved_before_it_is_resumed(tmp_path: Path) -> None:
    options = small_options(trainer=TrainerOptions(max_epochs=3, accelerator="cpu"), optim=OptimOptions(lr=0.3))
    train(options, tmp_path / "whole")
    train_until(20, options, tmp_path / "here")
    (tmp_path / "here" / "checkpoints" / ".last.ckpt.torn.partial").touch()
    (tmp_path / "here").rename(tmp_path / "there")
    train(options, tmp_path / "there", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "there")
    assert sorted(os.listdir(tmp_path / "there" / "checkpoints")) == ["best.ckpt", "last.ckpt"]
    best = [read_checkpoint(tmp_path / name / "checkpoints" / "best.ckpt") for name in ("whole", "there")]
    assert best[0]["global_step"] == best[1]["global_step"]
