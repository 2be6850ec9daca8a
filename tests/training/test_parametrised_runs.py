"""Runs of a parametrised network: from the options to the run folder, the checkpoint, and back."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.options import OptimOptions
from hpnets.training import Interrupted, LitModel, RunFolder, load_run, train
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.evaluation import evaluate
from hpnets.training.lit import make_optimizer
from tests.training.runs import small_options

MUP = {"name": "ccp", "degree": 3, "width": 16, "parametrisation": "mup", "base_width": 4}


@pytest.mark.parametrize("kind", ["ntk", "mup"])
def test_a_run_is_read_back_with_its_parametrisation(tmp_path: Path, kind: str) -> None:
    base = 4 if kind == "mup" else 256
    summary = train(small_options(model={**MUP, "parametrisation": kind, "base_width": base}), tmp_path / "run")
    saved = yaml.safe_load(RunFolder(tmp_path / "run").config.read_text())["model"]
    assert (saved["parametrisation"], saved["base_width"]) == (kind, base)
    net, task, _ = load_run(tmp_path / "run")
    assert evaluate(net, task) == pytest.approx(summary.results["metrics"], rel=1e-5)
    assert any(scaling.multiplier != 1 for scaling in net.scalings.values())


def test_a_run_is_read_back_with_its_init(tmp_path: Path) -> None:
    train(small_options(model={"name": "ccp", "degree": 2, "width": 8, "init": "orthogonal"}), tmp_path / "run")
    assert yaml.safe_load(RunFolder(tmp_path / "run").config.read_text())["model"]["init"] == "orthogonal"
    net, _, _ = load_run(tmp_path / "run")
    assert net.drawn == "orthogonal"


def test_the_default_run_says_that_it_is_standard(tmp_path: Path) -> None:
    train(small_options(), tmp_path / "run")
    saved = yaml.safe_load(RunFolder(tmp_path / "run").config.read_text())["model"]
    assert (saved["parametrisation"], saved["base_width"]) == ("standard", 256)


def test_the_groups_of_a_run_are_those_of_the_parametrisation(tmp_path: Path) -> None:
    train(small_options(model=MUP, optim=OptimOptions("sgd", lr=0.01)), tmp_path / "run")
    (state,) = read_checkpoint(RunFolder(tmp_path / "run").last)["optimizer_states"]
    assert sorted(group["lr"] for group in state["param_groups"]) == pytest.approx([0.01, 0.04])


def test_a_stopped_run_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, run = small_options(model={**MUP, "name": "ncp"}), RunFolder(tmp_path / "run")
    train(options, tmp_path / "whole")
    step = LitModel.training_step

    def stop_at_12(module: LitModel, batch: Any, batch_idx: int) -> Any:
        if module.global_step == 12:
            raise KeyboardInterrupt
        return step(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(LitModel, "training_step", stop_at_12)
        with pytest.raises(Interrupted):
            train(options, run.path)
    assert read_checkpoint(run.last)["global_step"] == 9
    train(run.options(), run.path, resume=True)
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (run.path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_schedule_scales_every_group() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=1, width=64, base_width=16, parametrisation="mup")
    optimizer = make_optimizer(net, OptimOptions("adam", lr=0.1))
    before = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    net(torch.ones(2, 4)).sum().backward()
    optimizer.step(), schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([lr / 2 for lr in before])
    assert len(before) == 2


def test_weight_decay_that_adam_cannot_keep_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    options = small_options(model=MUP | {"name": "ncp"}, optim=OptimOptions("adam", weight_decay=0.1))
    with pytest.raises(
        ValueError, match=r"weight_decay is 0.1 with adam and rates that differ, as under mup; allowed: 0"
    ):
        train(options, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(small_options(model=MUP | {"name": "ncp"}, optim=OptimOptions("adamw", weight_decay=0.1)), tmp_path / "run")


def test_the_weights_alone_do_not_hold_the_multipliers(tmp_path: Path) -> None:
    """Names are those of the standard net: the options, which every folder and index keeps, say what they mean."""
    train(small_options(model=MUP), tmp_path / "run")
    weights = read_tensors(RunFolder(tmp_path / "run").weights)
    plain = create_model("ccp", input_shape=(1, 8, 8), output_dim=10, degree=3, width=16).eval()
    plain.load_state_dict(weights)
    net, task, _ = load_run(tmp_path / "run")
    x = task.probe(4).x
    assert torch.allclose(net(x) - net.C.bias, (plain(x) - plain.C.bias) / 4, atol=1e-5)
