"""Runs that start from weights, train a part, and track blocks; runs of objects instead of names."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from hpnets.atomic_files import read_tensors
from hpnets.commands.evaluate import main as evaluate_command
from hpnets.models import create_model
from hpnets.ntk import ntk_blocks
from hpnets.options import NTKOptions, TrainerOptions
from hpnets.tasks import create_task
from hpnets.training import RunFolder, load_checkpoint, load_run, train
from hpnets.training.initial_weights import read_weights, start_from
from hpnets.zoo import load_pretrained
from tests.training.runs import read_rows, small_options

RESNET = {"name": "resnet18", "width": 4, "blocks": [1, 1]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of a net with BatchNorm."""
    folder = RunFolder(tmp_path_factory.mktemp("run") / "first")
    train(small_options(model=RESNET, ntk=NTKOptions(every="off", probe=20)), folder.path)
    return folder


def test_a_head_of_another_size_starts_anew_and_the_rest_is_copied() -> None:
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=(1, 8, 8), output_dim=3)
    drawn, published = net.V.weight.clone(), load_pretrained("mlp-digits")[0]
    start = start_from(net, "mlp-digits")
    assert (start.drawn, start.left) == (["V.weight", "V.bias"], [])
    assert str(start) == "6 tensors are from mlp-digits; drawn anew: V.weight, V.bias"
    assert torch.equal(net.V.weight, drawn)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(net.W, published.W, strict=True))


def test_a_run_and_each_of_its_checkpoints_give_weights(run: RunFolder) -> None:
    last, sha256 = read_weights(str(run.path))
    assert sha256 == json.loads(run.summary.read_text())["sha256"]
    again, _ = read_weights(str(run.last))
    assert last.keys() == again.keys()
    assert all(torch.equal(last[name], again[name]) for name in last)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("cpp-digits", "unknown checkpoint 'cpp-digits'; did you mean"),
        ("ncp-digits", r"init_from is 'ncp-digits', whose weights fit nothing in the network; allowed: .* There are"),
        ("runs/none", "init_from is 'runs/none'; allowed: a pretrained network, a run folder or a .ckpt file"),
        ("none.ckpt", "no such checkpoint: .*none.ckpt"),
        (".", r"init_from is '.'; allowed: a run that has ended, or a .ckpt file of one"),
    ],
)
def test_weights_that_cannot_be_read_or_fit_nothing_leave_no_folder(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_options(init_from=source), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def tuned(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run's weights on another seed of the task, all but the second stage and the head frozen."""
    folder = RunFolder(tmp_path_factory.mktemp("tuned") / "run")
    options = small_options(
        model=RESNET,
        init_from=str(run.path),
        freeze="conv1,bn1,layer1",
        ntk=NTKOptions(probe=10, blocks="layer2,layer2.0.conv?,fc"),
    )
    train(options, folder.path)
    return folder


def test_what_is_frozen_stays_with_its_statistics(run: RunFolder, tuned: RunFolder) -> None:
    before, after = (read_tensors(folder.weights) for folder in (run, tuned))
    frozen = {name for name in before if name.startswith(("conv1.", "bn1.", "layer1."))}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "bn1.running_mean" in frozen
    assert changed == set(before) - frozen


def test_the_kernel_is_of_the_trained_parts_and_blocks_of_theirs(tmp_path: Path) -> None:
    """At the end; blocks apart add up to the whole, and a block may lie in another."""
    folder = RunFolder(tmp_path / "run")
    options = small_options(freeze="U.0", ntk=NTKOptions(probe=10, blocks="U,U.[12],U.2,C"))
    train(options, folder.path)
    net, task, summary = load_run(folder.path)
    track, x = load_file(folder.kernel), task.probe(10).x
    one = ntk_blocks(net, x, outputs="trace", blocks=["U.1", "U.2", "C"])
    kernels = {"U": one["U.1"] + one["U.2"], "U.[12]": one["U.1"] + one["U.2"], "U.2": one["U.2"], "C": one["C"]}
    for name, kernel in kernels.items():
        torch.testing.assert_close(track[f"blocks/{name}/kernel_last"], kernel)
    torch.testing.assert_close(track["kernel_last"], kernels["U"] + kernels["C"])
    row = [row for row in read_rows(folder.path) if row["ntk/drift"]][-1]
    assert float(row["ntk/U.2/drift"]) == pytest.approx(float(track["blocks/U.2/metrics/drift"][-1]))
    assert summary["blocks"]["U.2"]["drift"] == float(track["blocks/U.2/metrics/drift"][-1])
    assert float(row["ntk/C/drift"]) != pytest.approx(float(row["ntk/U/drift"]))


def test_a_resumed_run_keeps_its_blocks_and_its_start(run: RunFolder, tuned: RunFolder, tmp_path: Path) -> None:
    """It goes on though the source is gone."""
    options = tuned.options()
    options.trainer = TrainerOptions(max_epochs=1, accelerator="cpu")
    options.init_from = str(shutil.copytree(run.path, tmp_path / "source"))
    folder = RunFolder(tmp_path / "run")
    train(options, folder.path)
    shutil.rmtree(tmp_path / "source")
    config = yaml.safe_load(folder.config.read_text())
    folder.config.write_text(yaml.safe_dump({**config, "trainer": {**config["trainer"], "max_epochs": 2}}))
    train(folder.options(), folder.path, resume=True)
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (folder.path / name).read_bytes() == (tuned.path / name).read_bytes(), name
    assert len(json.loads(tuned.summary.read_text())["blocks"]) == 3
    starts = [json.loads(f.summary.read_text())["init_from"] for f in (folder, tuned)]
    assert {**starts[0], "source": str(run.path)} == starts[1]
    assert starts[1]["taken"] == len(read_tensors(tuned.weights))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": "V"}, "freeze is 'V', which matches no parameter; allowed: patterns of U.0, U.1"),
        ({"freeze": "U,V*"}, "freeze is 'V.'"),
        ({"freeze": "*"}, r"freeze is '\*', which leaves nothing to train"),
        ({"ntk": NTKOptions(probe=5, blocks="U,V")}, "blocks is 'V', which matches no parameter"),
        ({"freeze": "C", "ntk": NTKOptions(probe=5, blocks="C")}, "blocks is 'C', which matches no parameter"),
    ],
)
def test_patterns_of_nothing_and_of_everything_leave_no_folder(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_options(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_gives_its_network_and_evaluate_prints_its_metrics(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    net, _, place = load_checkpoint(run.last)
    assert place == {"epoch": 2, "step": 18}
    assert all(torch.equal(net.state_dict()[name], t) for name, t in read_tensors(run.weights).items())
    elsewhere = tmp_path / "moved.ckpt"
    elsewhere.write_bytes(run.last.read_bytes())
    evaluate_command(["--checkpoint", str(elsewhere)])
    printed = capsys.readouterr().out
    for name, value in json.loads(run.summary.read_text())["metrics"].items():
        assert f"{name:18s} {value:.8g}" in printed
    assert "moved.ckpt: epoch 2, step 18; a checkpoint has no record to compare with" in printed
    (tmp_path / "bad.ckpt").write_text("no")
    with pytest.raises(ValueError, match=r"bad.ckpt is damaged or no checkpoint"):
        evaluate_command(["--checkpoint", str(tmp_path / "bad.ckpt")])


def mine(outputs: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, outputs))


def test_a_network_and_a_task_may_be_objects(tmp_path: Path) -> None:
    """The folder is a whole one, and is resumed and read back with objects of the same shapes alone."""
    folder, whole = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "whole")
    options = small_options(ntk=NTKOptions(probe=10, blocks="1,3"))
    for place, epochs in ((folder, 1), (whole, 2)):
        options.trainer = TrainerOptions(max_epochs=epochs, accelerator="cpu")
        train(options, place.path, net=mine(), task=create_task("digits", batch_size=100))
    config = yaml.safe_load(folder.config.read_text())
    assert config["model"] == {"name": "python:torch.nn.modules.container.Sequential"}
    assert config["task"] == {"name": "python:hpnets.tasks.digits.DigitsTask"}
    options = folder.options()
    options.trainer.max_epochs = 2
    train(options, folder.path, resume=True, net=mine(), task=create_task("digits", batch_size=100))
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    net, _, summary = load_run(folder.path, net=mine(), task=create_task("digits", batch_size=100))
    assert all(torch.equal(net.state_dict()[name], t) for name, t in read_tensors(whole.weights).items())
    assert summary["model"] == "python:torch.nn.modules.container.Sequential"
    with pytest.raises(ValueError, match=r"model is 'python:torch.nn.*Sequential', an object that Python code handed"):
        load_run(folder.path, task=create_task("digits"))
    with pytest.raises(ValueError, match=r"is not of the network that .*config.yaml describes"):
        load_run(folder.path, net=nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), task=create_task("digits"))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (mine(9), r"net\(x\) is \(2, 9\); allowed: \(2, 10\) for x \(2, 1, 8, 8\)"),
        (nn.Linear(3, 10), r"net fails on inputs \(2, 1, 8, 8\) of DigitsTask: mat1 and mat2"),
    ],
)
def test_a_network_that_does_not_fit_the_task_leaves_no_folder(tmp_path: Path, net: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_options(), tmp_path / "run", net=net)
    assert not (tmp_path / "run").exists()
