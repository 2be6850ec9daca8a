"""LitModel: its numbers, and its stop at NaN and Inf."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.options import NTKOptions, OptimOptions, TrainerOptions
from hpnets.tasks import create_task
from hpnets.training import LitModel, NonFiniteError, RunFolder, evaluate, train
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.lit import make_optimizer
from tests.training.runs import read_rows, small_options


def test_the_first_row_is_the_loss_of_the_first_batches_by_hand(tmp_path: Path) -> None:
    """Ten steps of Adam in a plain loop give the loss that the run logs at step 9."""
    options = small_options(ntk=NTKOptions(every="off"), task={"name": "digits", "batch_size": 64})
    train(options, tmp_path / "run")
    torch.manual_seed(0)
    net = create_model("ccp", input_shape=(1, 8, 8), output_dim=10, degree=3, width=16)
    task = create_task("digits", batch_size=64)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for x, y in list(task.train_dataloader())[:10]:
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logged = next(row for row in read_rows(tmp_path / "run") if row["train/loss"])
    assert logged["step"] == "9"
    assert float(logged["train/loss"]) == pytest.approx(loss.item(), rel=1e-5)
    assert logged["lr"] == "0.01"


def test_validation_and_test_metrics_are_those_of_the_whole_set(tmp_path: Path) -> None:
    summary = train(small_options(), tmp_path / "run")
    net = create_model("ccp", input_shape=(1, 8, 8), output_dim=10, degree=3, width=16)
    net.load_state_dict(read_tensors(RunFolder(tmp_path / "run").weights))
    task = create_task("digits", batch_size=132)
    task.setup("fit")
    rows = read_rows(tmp_path / "run")
    for data, key in ((task.val_set, "val/accuracy"), (task.test_set, "test/accuracy")):
        x, y = data.batch(torch.arange(len(data)))
        accuracy = float((net(x).argmax(1) == y).float().mean())
        assert float(rows[-1][key]) == pytest.approx(accuracy, abs=1e-6)
    assert summary.results["metrics"]["test/accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_evaluate_leaves_no_gradient_and_eval_mode() -> None:
    task = create_task("line", train_size=64, test_size=32, batch_size=16)
    net = create_model("mlp", input_shape=(1,), output_dim=1, width=8)
    results = evaluate(net.train(), task)
    x, y = task.test_set.batch(torch.arange(len(task.test_set)))
    assert results["test/mse"] == pytest.approx(float((net(x) - y).square().mean()), rel=1e-5)
    assert not net.training


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimizers(name: str, kind: type) -> None:
    net = create_model("mlp", input_shape=(2,), output_dim=1, width=4)
    net.V.weight.requires_grad_(False)
    optimizer = make_optimizer(net, OptimOptions(name, lr=0.5, weight_decay=0.25))
    assert type(optimizer) is kind
    weights, spared = optimizer.param_groups
    assert [(g["lr"], g["weight_decay"]) for g in (weights, spared)] == [(0.5, 0.25), (0.5, 0.0)]
    assert {p.ndim for p in weights["params"]} == {2}
    assert {p.ndim for p in spared["params"]} == {1}
    assert not any(p is net.V.weight for p in weights["params"])
    assert len(make_optimizer(net, OptimOptions(name)).param_groups) == 1


def test_optimisers_take_their_options() -> None:
    net = create_model("mlp", input_shape=(2,), output_dim=1, width=4)
    betas = [0.5, 0.75]
    assert make_optimizer(net, OptimOptions("adam", betas=betas)).defaults["betas"] == (0.5, 0.75)
    assert make_optimizer(net, OptimOptions("adamw", betas=betas)).defaults["betas"] == (0.5, 0.75)
    assert make_optimizer(net, OptimOptions("sgd", nesterov=True)).defaults["nesterov"]


def nan_from(step: int, monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    training_step = LitModel.training_step

    def broken(module: LitModel, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return training_step(module, (x * value if module.global_step == step else x, y), batch_idx)

    monkeypatch.setattr(LitModel, "training_step", broken)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_in_the_loss_stops_the_run_and_names_step_value_and_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        nan_from(12, patch, value)
        with pytest.raises(NonFiniteError, match=f"loss is nan at step 12; the last good checkpoint is {run.last}"):
            train(small_options(), run.path)
    assert read_checkpoint(run.last)["global_step"] == 9
    train(small_options(), tmp_path / "whole")
    train(run.options(), run.path, resume=True)
    assert run.weights.read_bytes() == RunFolder(tmp_path / "whole").weights.read_bytes()


def test_nan_before_the_first_checkpoint_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nan_from(3, monkeypatch, float("nan"))
    with pytest.raises(NonFiniteError, match="at step 3; there is no checkpoint yet"):
        train(small_options(), tmp_path / "run")
    assert read_rows(tmp_path / "run")[0]["ntk/drift"] == "0.0"


def test_weights_that_become_nan_in_the_last_step_of_an_epoch_are_not_saved(tmp_path: Path) -> None:
    options = small_options(
        optim=OptimOptions("sgd", lr=3e38, weight_decay=1e3),
        ntk=NTKOptions(every="off"),
        task={"name": "digits", "batch_size": 1197},
        trainer=TrainerOptions(max_epochs=1, accelerator="cpu"),
    )
    with pytest.raises(NonFiniteError, match=r"weights .* hold NaN or Inf at step 1"):
        train(options, tmp_path / "run")
    assert not RunFolder(tmp_path / "run").last.exists()
