"""Schedules, clipping and averaged weights in real fits; a run with all of them goes on as if it had not been cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.options import OptimOptions, RunOptions, TrainerOptions
from hpnets.schedules import rate_factor
from hpnets.training import LitModel, RunFolder, evaluate, load_run, train
from hpnets.training.average import averaged
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.rates import planned_steps
from tests.training.runs import assert_same_run, read_rows, small_options, train_until
from tests.training.sphere_runs import fit, plain, sphere

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*"
)
# Whatever draws at random in a step, or changes it.
ALL = OptimOptions(
    *("sgd", 0.05, 1e-3),
    **{"nesterov": True, "schedule": "cosine", "warmup": 4, "clip": 0.5, "ema": 0.8, "mixup": 0.4},
    label_smoothing=0.1,
)
TASK = {"name": "digits", "batch_size": 132, "augment": "crop_flip"}


class Rates(pl.Callback):
    """The rates of all groups, and the number of weights averaged, at each step of the optimiser."""

    def __init__(self) -> None:
        self.of_steps: dict[int, list[float]] = {}
        self.averaged: list[int] = []

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        self.of_steps[trainer.global_step] = [group["lr"] for group in optimizer.param_groups]

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, LitModel)
        assert pl_module.average is not None
        self.averaged.append(int(pl_module.average.n_averaged))


def test_the_schedule_moves_every_group_at_each_step_of_the_optimiser() -> None:
    """Also where a step takes several batches; mup's groups keep their ratio; the total is that of the whole fit."""
    task = sphere(train_size=60, batch_size=10)
    net = create_model("mlp", input_shape=(3,), output_dim=1, width=32, parametrisation="mup", base_width=8)
    o = OptimOptions("adam", 0.1, schedule="linear", warmup=2, ema=0.5)
    for accumulate, steps in ((1, 12), (4, 4)):
        rates = Rates()
        trainer = fit(LitModel(net, task, o), task, rates, epochs=2, accumulate_grad_batches=accumulate)
        assert trainer.global_step == len(rates.of_steps) == steps
        for step, groups in rates.of_steps.items():
            assert sorted(groups) == pytest.approx([c * rate_factor(o, step, steps) for c in (0.025, 0.1)])
        assert rates.averaged[-1] == steps


def test_the_length_of_a_run_is_known_before_it_starts() -> None:
    task = sphere(train_size=90, batch_size=10)
    settings: list[dict[str, Any]] = [{}, {"max_steps": 7}, {"max_steps": 100}, {"limit_train_batches": 5}]
    settings += [{"limit_train_batches": 0.5, "accumulate_grad_batches": 3}, {"limit_train_batches": 20}]
    for options in settings:
        module = LitModel(nn.Linear(3, 1), task, plain(0.1))
        trainer = fit(module, task, epochs=3, **options)
        assert planned_steps(trainer, 9) == trainer.estimated_stepping_batches
    assert planned_steps(pl.Trainer(max_epochs=-1, logger=False), 9) == float("inf")
    assert planned_steps(pl.Trainer(max_epochs=-1, max_steps=5, logger=False), 9) == 5


def test_a_gradient_is_clipped_to_its_norm() -> None:
    """The one step of rate 1 is as long as the norm allowed, in the direction of the whole gradient."""
    task = sphere(train_size=20, batch_size=20)
    moves = []
    for clip in (0.0, 1e-3):
        net = nn.Linear(3, 1)
        nn.init.ones_(net.weight), nn.init.ones_(net.bias)
        fit(LitModel(net, task, replace(plain(1.0), clip=clip)), task, epochs=1)
        moves.append(torch.cat([net.weight[0] - 1, net.bias - 1]).detach())
    whole, clipped = moves
    assert float(whole.norm()) > 0.1
    assert float(clipped.norm()) == pytest.approx(1e-3, rel=1e-3)
    torch.testing.assert_close(clipped / clipped.norm(), whole / whole.norm(), rtol=1e-3, atol=1e-3)


def test_the_average_is_exponential_from_the_first_step_on() -> None:
    """Of weights and of BatchNorm's statistics; whole numbers are those of now."""
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = averaged(net, 0.75)
    expected: dict[str, Tensor] = {}
    assert not any(p.requires_grad for p in average.parameters())
    for step in range(3):
        for p in net.parameters():
            p.data.normal_()
        net(torch.randn(8, 2))
        average.update_parameters(net)
        now = {name: value.clone() for name, value in net.state_dict().items()}
        expected = now if step == 0 else {name: 0.75 * expected[name] + 0.25 * value for name, value in now.items()}
    expected["1.num_batches_tracked"] = torch.tensor(3)
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def options(**changes: Any) -> RunOptions:
    return small_options(**{"optim": ALL, "task": TASK, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with everything on that was never stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(options(), folder)
    return RunFolder(folder)


def test_a_run_with_everything_on_goes_on_as_if_it_had_not_been_cut(whole: RunFolder, tmp_path: Path) -> None:
    """Workers fetch rows as soon as they are made, which must not be before a resumed fit knows its epoch."""
    for step, workers in ((4, 0), (12, 1)):
        resumed = options(task=TASK | {"num_workers": workers})
        train_until(step, options(), tmp_path / f"cut{step}")
        train(resumed, tmp_path / f"cut{step}", resume=True)
        for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
            assert (tmp_path / f"cut{step}" / name).read_bytes() == (whole.path / name).read_bytes()


def test_it_goes_on_in_mid_epoch_where_a_step_takes_two_batches(tmp_path: Path) -> None:
    pairs = options(trainer=TrainerOptions(2, accelerator="cpu", accumulate_grad_batches=2, save_every=1))
    train(pairs, tmp_path / "whole")
    for step in (3, 6):
        train_until(step, pairs, tmp_path / f"cut{step}")
        train(pairs, tmp_path / f"cut{step}", resume=True)
        assert_same_run(tmp_path / "whole", tmp_path / f"cut{step}")


def test_the_average_is_validated_tested_and_kept_and_the_kernel_is_of_the_raw_weights(
    whole: RunFolder, tmp_path: Path
) -> None:
    train(options(optim=replace(ALL, ema=0.0)), tmp_path / "raw")
    raw = RunFolder(tmp_path / "raw")
    assert raw.kernel.read_bytes() == whole.kernel.read_bytes()
    rows, raw_rows = read_rows(whole.path), read_rows(raw.path)
    assert [row["train/loss"] for row in rows] == [row["train/loss"] for row in raw_rows]
    assert rows[-1]["val/loss"] != raw_rows[-1]["val/loss"]
    kept = read_checkpoint(whole.last)["state_dict"]
    weights, raw_weights = read_tensors(whole.weights), read_tensors(raw.weights)
    for name, value in weights.items():
        assert torch.equal(value, kept[f"average.module.{name}"])
        assert torch.equal(raw_weights[name], kept[f"net.{name}"])
    net, task, summary = load_run(whole.path)
    assert all(p.requires_grad for p in net.parameters())
    assert evaluate(net, task) == pytest.approx(summary["metrics"])


def test_the_logged_rate_is_that_of_the_next_step(whole: RunFolder) -> None:
    rates = {int(row["step"]): float(row["lr"]) for row in read_rows(whole.path) if row["lr"]}
    assert rates == {9: pytest.approx(0.05 * rate_factor(ALL, 9, 18), rel=1e-12)}


def test_a_run_with_a_schedule_is_not_prolonged(whole: RunFolder) -> None:
    before = {p: p.read_bytes() for p in whole.path.rglob("*.*")}
    longer = options(trainer=TrainerOptions(max_epochs=3, accelerator="cpu"))
    with pytest.raises(ValueError, match=r"is to take 27 steps and was to take 18, .* 'cosine' .*; allowed: 18"):
        train(longer, whole.path, resume=True)
    assert {p: p.read_bytes() for p in whole.path.rglob("*.*")} == before


def test_a_constant_rate_with_a_warmup_in_steps_may_be_prolonged(tmp_path: Path) -> None:
    optim = OptimOptions("adam", 0.01, warmup=4)
    longer = small_options(optim=optim, trainer=TrainerOptions(max_epochs=3, accelerator="cpu"))
    train(longer, tmp_path / "whole")
    train(small_options(optim=optim), tmp_path / "run")
    train(longer, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == RunFolder(tmp_path / "whole").weights.read_bytes()


def test_a_schedule_that_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"optim\.warmup is 18; allowed: fewer steps than the 18 of the run"):
        train(options(optim=OptimOptions(warmup=18)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
