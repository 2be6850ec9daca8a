"""Runs on a person's own files: trained, stopped, resumed and evaluated, also where the files have moved."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets.options import NTKOptions, RunOptions, TrainerOptions
from hpnets.training import RunFolder, load_run, train
from tests.in_process import run_script
from tests.tasks.picture_files import write_pictures
from tests.tasks.test_task_table import columns, write_csv
from tests.training.runs import read_rows


def options_on(task: dict[str, Any], model: dict[str, Any]) -> RunOptions:
    return RunOptions(
        model=model,
        task={"batch_size": 8, **task},
        ntk=NTKOptions(probe=10),
        trainer=TrainerOptions(max_epochs=2, accelerator="cpu"),
        wandb="off",
    )


@pytest.fixture
def folder_run(tmp_path: Path) -> tuple[RunOptions, Path]:
    """A network with BatchNorm on a folder of pictures, not yet run; a worker decodes them."""
    write_pictures(tmp_path / "data", classes=2, each=20)
    task = {"name": "image_folder", "root": str(tmp_path / "data"), "size": 8, "num_workers": 1}
    return options_on(task, {"name": "cnn", "width": 4}), tmp_path / "data"


@pytest.fixture
def table_run(tmp_path: Path) -> tuple[RunOptions, Path]:
    """A polynomial on a csv file, not yet run."""
    (tmp_path / "data").mkdir()
    file = write_csv(tmp_path / "data" / "x.csv", columns())
    task = {"name": "table", "file": file, "target": "price"}
    return options_on(task, {"name": "ccp", "degree": 2, "width": 8}), tmp_path / "data"


@pytest.mark.parametrize("kind", ["folder_run", "table_run"])
def test_a_run_on_own_files_goes_on_and_is_evaluated_where_they_moved(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    options, data = request.getfixturevalue(kind)
    whole = train(options, tmp_path / "whole").results
    train(replace(options, trainer=replace(options.trainer, max_epochs=1)), tmp_path / "cut")
    moved = tmp_path / "moved"
    shutil.move(data, moved)
    key = "root" if kind == "folder_run" else "file"
    there = {**options.task, key: str(moved if key == "root" else moved / "x.csv")}
    resumed = train(replace(options, task=there), tmp_path / "cut", resume=True).results
    assert (resumed["sha256"], resumed["metrics"]) == (whole["sha256"], whole["metrics"])
    assert read_rows(tmp_path / "cut") == read_rows(tmp_path / "whole")
    assert run_script("evaluate", "--checkpoint", str(tmp_path / "whole"), "--root", str(moved)) == 0
    assert "as recorded" in capsys.readouterr().out
    assert run_script("evaluate", "--checkpoint", str(tmp_path / "whole")) == 2
    assert f"{data}" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["folder_run", "table_run"])
def test_a_run_does_not_go_on_with_other_data(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    options, data = request.getfixturevalue(kind)
    train(replace(options, trainer=replace(options.trainer, max_epochs=1)), tmp_path / "run")
    if kind == "folder_run":
        shutil.copy(data / "class0" / "00.png", data / "class1" / "more.png")
    else:
        write_csv(data / "x.csv", {**columns(), "same": [4.0] * 40})
    before = (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(ValueError, match=r"the data of task '.*' is not what the run began with \(digest"):
        train(options, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes() == before


def test_the_probe_set_is_of_pictures_in_the_folder(folder_run: tuple[RunOptions, Path], tmp_path: Path) -> None:
    options, _ = folder_run
    train(options, tmp_path / "run")
    net, task, summary = load_run(tmp_path / "run")
    probe = task.probe(10)
    assert probe.x.shape == (10, 3, 8, 8)
    assert torch.equal(probe.x[:1], task.train_set.batch([task.train_indices.tolist().index(int(probe.indices[0]))])[0])
    assert summary["fingerprint"]["trace"] > 0
    assert RunFolder(tmp_path / "run").kernel.is_file()
    assert any(module.__class__.__name__ == "BatchNorm2d" for module in net.modules())


def test_a_root_for_a_task_without_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(options_on({"name": "digits"}, {"name": "mlp", "width": 4}), tmp_path / "run")
    assert run_script("evaluate", "--checkpoint", str(tmp_path / "run"), "--root", "x") == 2
    assert "root is 'x', but task 'digits' reads no files; allowed: cifar10, cifar100, fash" in capsys.readouterr().err
