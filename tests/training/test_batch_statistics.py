"""BatchNorm while its statistics remember their start: on which inputs it is measured; training is untouched."""

import random
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset

from hpnets.atomic_files import read_tensors
from hpnets.ntk import estimated_statistics, ntk
from hpnets.options import NTKOptions, TrainerOptions
from hpnets.tasks.sphere import SphereTask
from hpnets.training import HarmonicMonitor, LinearTwin, LitModel, NTKMonitor, train
from hpnets.training.batch_statistics import training_inputs
from tests.training.quiet import quiet_trainer
from tests.training.runs import small_options
from tests.training.sphere_runs import fit as fit_task
from tests.training.sphere_runs import plain, points, sphere

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*", "ignore:.*eval mode.*"
)
X = torch.randn(24, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
Y = torch.eye(3)[torch.arange(24) % 3]


class Normed(pl.LightningModule):
    """A network whose BatchNorm forgets its start after 9 steps: 0.5^10 < 1e-3."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16, momentum=0.5), nn.Tanh(), nn.Linear(16, 3))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Drawn(Dataset[tuple[Tensor, Tensor]]):
    """Rows with noise of all three global generators, as transforms draw it."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return X[row] + torch.randn(5) + random.random() + np.random.normal(), Y[row]  # noqa: NPY002


def fit(module: pl.LightningModule, *callbacks: pl.Callback, loader: Any = None, epochs: int = 2) -> None:
    pl.seed_everything(0, verbose=False)
    own = DataLoader(TensorDataset(X, Y), batch_size=6, shuffle=True)
    quiet_trainer(*callbacks, max_epochs=epochs).fit(module, own if loader is None else loader)


def test_statistics_are_estimated_until_they_forget_their_start(tmp_path: Path) -> None:
    monitor, module = NTKMonitor(X[:8], file=tmp_path / "ntk.safetensors"), Normed()
    fit(module, monitor, epochs=4)
    assert monitor.track.steps == [0, 4, 8, 12, 16]
    assert read_tensors(tmp_path / "ntk.safetensors")["steps_estimated"].tolist() == [0, 4, 8]
    assert torch.equal(monitor.track.last, ntk(module.net.eval(), X[:8], outputs="trace"))


def test_the_first_kernel_is_of_the_statistics_of_training_batches() -> None:
    module = Normed()
    start = [p.clone() for p in module.net.parameters()]
    monitor = NTKMonitor(X[:8])
    fit(module, monitor)
    fresh = Normed().net
    for p, value in zip(fresh.parameters(), start, strict=True):
        p.data.copy_(value)
    with estimated_statistics(fresh, [X]):
        torch.testing.assert_close(monitor.track.first, ntk(fresh.eval(), X[:8], outputs="trace"))
    young = ntk(fresh.eval(), X[:8], outputs="trace")
    assert (young - monitor.track.first).norm() > 0.3 * young.norm()


def test_training_is_the_same_with_and_without_it_where_data_are_drawn() -> None:
    plain_module, watched = Normed(), Normed()
    watched.load_state_dict(plain_module.state_dict())
    monitors = [NTKMonitor(X[:4], every=1), NTKMonitor(X[:4], every=1)]
    loader = DataLoader(Drawn(), batch_size=6, shuffle=True)
    fit(plain_module, loader=loader)
    fit(watched, monitors[0], loader=loader)
    for a, b in zip(plain_module.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert int(watched.net[1].num_batches_tracked) == 8


def test_a_frozen_network_is_measured_with_its_own_statistics() -> None:
    module = Normed()
    module.net.eval()
    monitor = NTKMonitor(X[:8], batch_statistics=[X])
    fit(module, monitor)
    assert monitor.track.estimated == []
    assert torch.equal(monitor.track.last, ntk(module.net, X[:8], outputs="trace"))


def test_running_statistics_are_measured_with_a_warning() -> None:
    monitor, module = NTKMonitor(X[:8], batch_statistics="running"), Normed()
    with pytest.warns(UserWarning, match="still remember the mean 0 and the variance 1"):
        fit(module, monitor)
    assert monitor.track.estimated == []
    assert torch.equal(monitor.track.last, ntk(module.net.eval(), X[:8], outputs="trace"))


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Rows that cannot be read by number."""

    def __iter__(self) -> Any:
        return iter(zip(X, Y, strict=True))


class Named(Dataset[dict[str, Tensor]]):
    """Samples by name."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"x": X[row]}


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (DataLoader(Stream(), batch_size=6), r"of a Stream, cannot be read by row .* batch_statistics=\[x, \.\.\.\]"),
        (DataLoader(Named(), batch_size=6), "batches of the train dataloader begin with a dict; allowed: a tensor"),
        (DataLoader(TensorDataset(X[:, :4], Y), 6), r"training inputs have shape \(24, 4\); allowed: \(n, \*\(5,\)\)"),
        ({"a": DataLoader(TensorDataset(X, Y), 6)}, "of a dict, cannot be read by row"),
    ],
)
def test_data_that_cannot_be_read_are_refused(loader: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(Normed(), NTKMonitor(X[:8]), loader=loader)


def test_inputs_can_be_given_where_the_loader_cannot_be_read() -> None:
    monitor = NTKMonitor(X[:8], batch_statistics=[X])
    fit(Normed(), monitor, loader=DataLoader(Stream(), batch_size=6))
    assert monitor.track.estimated == [0, 4, 8]
    refused: tuple[Any, ...] = ("estimated", [])
    for wrong in refused:
        with pytest.raises(ValueError, match="allowed: 'estimate', 'running' or a list of inputs"):
            NTKMonitor(X[:8], batch_statistics=wrong)


def test_batches_are_seen_as_the_module_gets_them() -> None:
    class OnDevice(Normed):
        def on_after_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> list[Tensor]:
            return [batch[0] / 10, batch[1]]

    monitor, scaled = NTKMonitor(X[:8]), NTKMonitor(X[:8], batch_statistics=[X / 10])
    torch.manual_seed(0)
    fit(OnDevice(), monitor)
    torch.manual_seed(0)
    fit(OnDevice(), scaled)
    torch.testing.assert_close(monitor.track.first, scaled.track.first)


def test_training_inputs_are_some_rows_in_batches_and_the_same_at_every_call() -> None:
    big = TensorDataset(torch.arange(3000.0).view(-1, 1))
    inputs = training_inputs(DataLoader(big, batch_size=7, shuffle=True))
    assert [len(x) for x in inputs] == [128] * 8
    assert len(torch.cat(inputs).unique()) == 1024
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    drawn = [torch.cat(training_inputs(DataLoader(Drawn(), batch_size=size))) for size in (3, 24)]
    assert torch.equal(*drawn)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_training_inputs_follow_subsets_and_whole_batches() -> None:
    rows = TensorDataset(torch.arange(300.0).view(-1, 1))
    subset = training_inputs(DataLoader(rows, sampler=SubsetRandomSampler(range(10, 140))))
    assert [len(x) for x in subset] == [65, 65]
    assert torch.cat(subset).flatten().sort().values.tolist() == list(range(10, 140))
    batches = TensorDataset(torch.arange(300.0).view(20, 15, 1))
    assert [tuple(x.shape) for x in training_inputs(DataLoader(batches, batch_size=None))] == [(15, 1)] * 8


def test_a_run_says_so_in_its_folder_and_a_cut_one_estimates_the_same(tmp_path: Path) -> None:
    model = {"name": "cnn", "width": 4}
    for every in (4, "epoch"):
        options = small_options(model=model, ntk=NTKOptions(probe=20, every=every))
        train(options, tmp_path / f"whole{every}")
    one = small_options(model=model, trainer=TrainerOptions(max_epochs=1, accelerator="cpu"))
    train(one, tmp_path / "cut")
    train(small_options(model=model), tmp_path / "cut", resume=True)
    track = read_tensors(tmp_path / "whole4" / "ntk.safetensors")
    assert track["steps_estimated"].tolist() == track["steps"].tolist() == [0, 4, 8, 12, 16, 18]
    for name in ("model.safetensors", "ntk.safetensors"):
        assert (tmp_path / "wholeepoch" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole4", "wholeepoch")]
    assert weights[0] == weights[1]
    running = small_options(model=model, ntk=NTKOptions(probe=20, batch_statistics="running"))
    with pytest.warns(UserWarning, match="still remember"):
        train(running, tmp_path / "running")
    assert "steps_estimated" not in read_tensors(tmp_path / "running" / "ntk.safetensors")


def normed(task: SphereTask) -> nn.Module:
    torch.manual_seed(0)
    d = task.input_shape[0]
    return nn.Sequential(nn.Linear(d, 64), nn.BatchNorm1d(64), nn.Tanh(), nn.Linear(64, 1))


def test_harmonics_and_the_linear_twin_see_the_same_network() -> None:
    task = sphere(train_size=40, batch_size=40)
    x, y = points(task)
    net = normed(task)
    with estimated_statistics(net, [x]), torch.no_grad():
        start = net.eval()(x)
    monitor = HarmonicMonitor(x, y, task.direction, task.degrees, every="epoch")
    twin = LinearTwin(x, every="epoch")
    fit_task(LitModel(net.train(), task, plain(0.01)), task, monitor, twin, epochs=3)
    again = HarmonicMonitor(x, y - start, task.direction, task.degrees)
    fit_task(LitModel(constant(task), task, plain(0.01)), task, again, epochs=1)
    torch.testing.assert_close(monitor.coefficients[0], again.coefficients[0], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(twin.twin.net(x), start)
    assert twin.distances[0] == {"lazy/net_linear": 0.0, "lazy/moved": 0.0}
    assert twin.distances[-1]["lazy/net_linear"] < 0.2 * twin.distances[-1]["lazy/moved"]


def constant(task: SphereTask) -> nn.Module:
    """A network that is 0, whose gradients are too."""
    net = nn.Linear(task.input_shape[0], 1, bias=False)
    nn.init.zeros_(net.weight)
    return net
