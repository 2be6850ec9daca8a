"""The network, its linearisation and the kernel predictor: one test for each pair, and the rate at which they agree."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

from hpnets.models import create_model
from hpnets.ntk import linearize
from hpnets.options import OptimOptions
from hpnets.tasks import create_task
from hpnets.tasks.sphere import SphereTask
from hpnets.training import LinearTwin, LitModel, NTKMonitor
from recipes.bench.limits.equivalence import TOLERANCE, gaps, measure, predictor_of, setting
from tests.training.runs import ROOT
from tests.training.sphere_runs import fit, plain

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*"
)


def test_the_network_the_linearised_one_and_the_kernel_agree() -> None:
    """The paper's equivalence at a width of 4096: within 3% of how far the network moved, held-out, after 30 steps."""
    measured = gaps(4096, seed=0, steps=30)
    assert measured["lazy/moved"] > 0.2
    assert measured["lazy/net_kernel"] < 0.03 * measured["lazy/moved"]
    # Descent of the linearised network is the kernel's, to the rounding of float32: at any width.
    assert measured["lazy/linear_kernel"] < 1e-5
    assert gaps(16, seed=0, steps=30)["lazy/linear_kernel"] < 1e-5
    assert gaps(16, seed=0, steps=30)["lazy/net_kernel"] > 3 * measured["lazy/net_kernel"]


def test_at_the_start_nothing_has_moved_and_all_agree() -> None:
    task, net, x_test = setting(64, seed=0)
    twin = LinearTwin(x_test, predictor_of(task, net, x_test, 0.5), every=2)
    fit(LitModel(net, task, plain(0.5)), task, twin, epochs=2)
    assert twin.steps == [0, 2]
    assert twin.distances[0]["lazy/moved"] == 0 < twin.distances[1]["lazy/moved"]
    assert twin.distances[0]["lazy/net_kernel"] < 1e-6


@pytest.mark.slow
def test_equivalence_at_16k_and_its_rate() -> None:
    """Held-out gap between the trained network and the kernel predictor: < 0.005 at m = 16k, falling with m."""
    check_equivalence(measure())


def test_the_record_of_the_equivalence() -> None:
    check_equivalence(json.loads((ROOT / "docs" / "results" / "limits" / "equivalence.json").read_text())["measured"])


def check_equivalence(measured: dict[str, Any]) -> None:
    means = [sum(one["lazy/net_kernel"] for one in each) / len(each) for each in measured["distances"].values()]
    assert list(measured["distances"]) == ["1024", "4096", "16384"]
    assert all(len(each) == 8 for each in measured["distances"].values())
    assert means[0] > means[1] > means[2]
    assert means[2] < TOLERANCE == 0.005
    assert -1.1 < measured["slope"] < -0.35


def test_a_linearised_network_is_trained_by_litmodel() -> None:
    """`LitModel(linearize(net), task)`: the loss falls, the network within stays, and the kernel never moves."""
    task, net, _ = setting(64, seed=0)
    linear = linearize(net)
    before = [p.clone() for p in net.parameters()]
    x, _ = task.train_set.batch(range(8))
    monitor = NTKMonitor(x, every="epoch", metrics=["drift"])
    module = LitModel(linear, task, plain(0.3))
    trainer = fit(module, task, monitor, epochs=20)
    assert float(trainer.callback_metrics["train/loss"]) < 0.05
    assert float(trainer.callback_metrics["ntk/drift"]) < 1e-6
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_classification_with_adam_and_batches() -> None:
    """The twin takes the module's loss, optimiser and batches: it follows the network where no kernel formula does."""
    task = create_task("digits", batch_size=132)
    task.setup()
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=task.input_shape, output_dim=10, width=512, depth=1)
    x, _ = task.test_set.batch(range(50))
    twin = LinearTwin(x)
    fit(LitModel(net, task, OptimOptions("adam", 1e-5)), task, twin, epochs=1)
    last = twin.distances[-1]
    assert 0 < last["lazy/net_linear"] < 0.1 * last["lazy/moved"]
    assert "lazy/net_kernel" not in last


def test_a_resumed_fit_continues_the_twin(tmp_path: Path) -> None:
    def made() -> tuple[LitModel, LinearTwin, SphereTask]:
        task, net, x_test = setting(32, seed=5)
        return LitModel(net, task, OptimOptions("sgd", 0.1)), LinearTwin(x_test), task

    module, whole, task = made()
    fit(module, task, whole, epochs=5)
    module, twin, task = made()
    fit(module, task, twin, epochs=3).save_checkpoint(tmp_path / "three.ckpt")
    module, again, task = made()
    fit(module, task, again, epochs=5, checkpoint=tmp_path / "three.ckpt")
    assert again.steps == whole.steps
    assert again.distances == whole.distances


def test_the_twin_has_the_rates_of_each_parameter() -> None:
    """mup gives the read-out another rate: with one rate for all the twin would part from the kernel of its steps."""
    task, _, x_test = setting(8, seed=0)
    net = create_model("mlp", input_shape=(4,), output_dim=1, width=64, parametrisation="mup", base_width=8)
    module, twin = LitModel(net, task, OptimOptions("adam", 1e-3)), LinearTwin(x_test)
    trainer = fit(module, task, twin, epochs=1)
    rates = {id(p): group["lr"] for group in trainer.optimizers[0].param_groups for p in group["params"]}
    expected = {name: rates[id(p)] for name, p in net.named_parameters()}
    own = {id(d): group["lr"] for group in twin.optimizer.param_groups for d in group["params"]}
    measured = {name: own[id(d)] for name, d in zip(twin.twin.names, twin.twin.delta, strict=True)}
    assert measured == expected
    assert len(set(measured.values())) > 1


def test_the_twin_follows_the_schedule() -> None:
    """A linearised network is its own twin, as long as both take every step at the same rate."""
    task, net, x_test = setting(16, seed=0)
    twin = LinearTwin(x_test, batch_statistics="running")
    optim = OptimOptions("sgd", 0.3, schedule="cosine", warmup=2)
    trainer = fit(LitModel(linearize(net), task, optim), task, twin, epochs=8)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    assert twin.distances[-1]["lazy/net_linear"] < 1e-5 * twin.distances[-1]["lazy/moved"]


class Other(pl.LightningModule):
    """A module of somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(4, 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def test_what_it_refuses() -> None:
    task, _, x_test = setting(8, seed=0)
    with pytest.raises(ValueError, match="LinearTwin is given a Other; allowed: a LitModel"):
        fit(Other(), task, LinearTwin(x_test), epochs=1)
    task, net, x_test = setting(8, seed=0)
    with pytest.raises(ValueError, match=r"weight_decay is 0\.1 beside LinearTwin, which trains theta - theta_0"):
        fit(LitModel(net, task, OptimOptions("adamw", 1e-3, 0.1)), task, LinearTwin(x_test), epochs=1)
    with pytest.raises(ValueError, match=r"optim\.clip is 1\.0 beside LinearTwin, .*; allowed: 0"):
        fit(LitModel(net, task, OptimOptions(clip=1.0)), task, LinearTwin(x_test), epochs=1)
    with pytest.raises(ValueError, match="every is 'never'"):
        LinearTwin(x_test, every="never")
