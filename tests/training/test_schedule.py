"""When callbacks measure: steps that are passed, the last one of every kind of fit, and anew in every new fit."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.training import HarmonicMonitor, LinearTwin, LitModel, NonFiniteError, NTKMonitor
from hpnets.training.schedule import Every, Scheduled, is_due
from tests.training.quiet import quiet_trainer
from tests.training.sphere_runs import fit as fit_task
from tests.training.sphere_runs import plain, points, sphere

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*"
)
X = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))


class Recorder(Scheduled):
    """Notes its steps, each with the fit that it is of."""

    def __init__(self, every: Every) -> None:
        super().__init__(every)
        self.steps: list[int] = []
        self.fits = 0

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps = []
        self.fits += 1

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps.append(trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps = list(state_dict["steps"])
        self.resumed(self.steps)


class Plain(pl.LightningModule):
    """One optimiser; `broken_at`: the batch at which training fails, by `error`."""

    def __init__(self, broken_at: int = -1, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self.net, self.broken_at, self.error = nn.Linear(5, 1), broken_at, error

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if batch_idx == self.broken_at:
            raise self.error("broken")
        loss = self.net(batch[0]).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


class TwoOptimizers(Plain):
    """Two steps a batch, as GANs take them."""

    def __init__(self, broken_at: int = -1) -> None:
        super().__init__(broken_at)
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:  # type: ignore[override]
        if batch_idx == self.broken_at:
            raise self.error("broken")
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(self.net(batch[0]).square().mean())
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([p], 0.01) for p in self.net.parameters()]


def fit(
    module: pl.LightningModule, *callbacks: pl.Callback, checkpoint: Path | None = None, **options: Any
) -> pl.Trainer:
    """Fit of epochs of 10 batches."""
    trainer = quiet_trainer(*callbacks, **{"max_epochs": 2, **options})
    trainer.fit(module, DataLoader(TensorDataset(X), batch_size=4), ckpt_path=checkpoint, weights_only=True)
    return trainer


@pytest.mark.parametrize(
    ("every", "since", "step", "due"),
    [
        (5, 0, 0, False),
        (5, 0, 4, False),
        (5, 4, 5, True),
        (5, 4, 6, True),
        (5, 5, 9, False),
        (5, 6, 21, True),
        ("log", 0, 0, False),
        ("log", 0, 1, True),
        ("log", 8, 9, False),
        ("log", 8, 10, True),
        ("log", 9, 12, True),
        ("log", 11, 12, False),
        ("epoch", 0, 100, False),
    ],
)
def test_a_step_of_the_schedule_is_due_once_it_is_passed(every: Every, since: int, step: int, due: bool) -> None:
    assert is_due(every, since, step) == due


@pytest.mark.parametrize(
    ("module", "every", "options", "steps"),
    [
        (TwoOptimizers(), 5, {}, [0, 6, 10, 16, 20, 26, 30, 36, 40]),
        (TwoOptimizers(), "log", {}, [0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 40]),
        (Plain(), 2, {"accumulate_grad_batches": 3}, [0, 2, 4, 6, 8]),
        (Plain(), 3, {"accumulate_grad_batches": 4, "max_epochs": 3}, [0, 3, 6, 9]),
        (Plain(), 4, {"max_steps": 13, "max_epochs": -1}, [0, 4, 8, 12, 13]),
        (Plain(), "epoch", {"max_steps": 13, "max_epochs": -1}, [0, 10, 13]),
        (Plain(), 100, {"max_steps": 13, "max_epochs": 1}, [0, 10]),
        (Plain(), 100, {"limit_train_batches": 7, "max_epochs": 1}, [0, 7]),
    ],
)
def test_schedules_of_all_kinds_of_fits(module: Plain, every: Every, options: dict, steps: list[int]) -> None:
    recorder = Recorder(every)
    fit(module, recorder, **options)
    assert recorder.steps == steps


def test_the_last_step_is_measured_where_something_stops_the_fit() -> None:
    class StopAt(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.should_stop = trainer.global_step >= 7

    class Slow(pl.Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            time.sleep(0.01)

    stopped, timed, early = (Recorder(100) for _ in range(3))
    fit(Plain(), stopped, StopAt(), min_epochs=0)
    assert stopped.steps == [0, 7]
    fit(Plain(), timed, Slow(), Timer(timedelta(milliseconds=1)), max_epochs=-1)
    assert timed.steps == [0, 1]
    patience = EarlyStopping("loss", mode="max", patience=1, check_on_train_epoch_end=True)
    fit(Plain(), early, patience, max_epochs=50)
    assert len(early.steps) == 2
    assert 0 < early.steps[-1] < 500


@pytest.mark.parametrize(
    ("module", "ended_by", "steps"),
    [
        (Plain(7), RuntimeError, [0, 7]),
        (TwoOptimizers(7), RuntimeError, [0, 14]),
        (Plain(7, NonFiniteError), NonFiniteError, [0]),
        (Plain(7, SystemExit), SystemExit, [0]),
        (Plain(7, KeyboardInterrupt), SystemExit, [0]),
    ],
)
def test_an_exception_in_a_training_step_ends_a_fit_as_well(
    module: Plain, ended_by: type[BaseException], steps: list[int]
) -> None:
    recorder = Recorder(100)
    with pytest.raises(ended_by):
        fit(module, recorder)
    assert recorder.steps == steps


def test_what_fails_elsewhere_is_not_measured() -> None:
    """Before the start, in validation, and in a batch that has not ended for the recorder, after its step."""

    class Setup(pl.Callback):
        def setup(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

    class BatchEnd(pl.Callback):
        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

    class Validation(Plain):
        def val_dataloader(self) -> Any:
            return DataLoader(TensorDataset(X))

        def validation_step(self, *_: Any) -> None:
            raise RuntimeError("broken")

    for module, callback, steps in (
        (Plain(), Setup(), []),
        (Plain(), BatchEnd(), [0]),
        (Validation(), pl.Callback(), [0]),
    ):
        recorder = Recorder(100)
        with pytest.raises(RuntimeError, match="broken"):
            fit(module, callback, recorder, num_sanity_val_steps=0)
        assert recorder.steps == steps


def test_a_last_measurement_that_fails_does_not_hide_what_ended_the_fit() -> None:
    class Fails(Recorder):
        def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            super().measure(trainer, pl_module)
            if trainer.global_step == 7:
                raise OSError("disk")

    last, due = Fails(100), Fails(7)
    with (
        pytest.raises(RuntimeError, match="broken"),
        pytest.warns(UserWarning, match="last step is not measured: disk"),
    ):
        fit(Plain(7), last)
    with pytest.raises(OSError, match="disk"):
        fit(Plain(), due)
    assert last.steps == due.steps == [0, 7]  # once, not again for its own exception


def test_a_fit_goes_on_only_from_its_own_checkpoint(tmp_path: Path) -> None:
    recorder = Recorder(4)
    with pytest.raises(RuntimeError, match="broken"):
        fit(Plain(broken_at=0), recorder)
    assert (recorder.steps, recorder.fits) == ([0], 1)
    fit(Plain(), recorder, max_epochs=1)
    assert (recorder.steps, recorder.fits) == ([0, 4, 8, 10], 2)
    fit(Plain(), recorder, max_epochs=1).save_checkpoint(tmp_path / "one.ckpt")
    assert recorder.fits == 3
    fit(Plain(), recorder, checkpoint=tmp_path / "one.ckpt")
    assert (recorder.steps, recorder.fits) == ([0, 4, 8, 10, 12, 16, 20], 3)
    recorder.load_state_dict({"steps": [0, 4]})  # of another time: it is no checkpoint of this fit
    fit(Plain(), recorder, max_epochs=1)
    assert (recorder.steps, recorder.fits) == ([0, 4, 8, 10], 4)


def test_a_monitor_does_not_keep_the_kernel_of_a_dead_network() -> None:
    monitor, module = NTKMonitor(X[:5]), Plain()
    nn.init.constant_(module.net.bias, 3.0)
    dead = Plain(broken_at=0)
    dead.net = nn.Linear(5, 1, bias=False)
    with pytest.raises(RuntimeError, match="broken"):
        fit(dead, monitor)
    old = monitor.track.first
    fit(module, monitor)
    torch.testing.assert_close(monitor.track.first, old + 1)
    assert monitor.track.metrics[-1]["drift"] == 0


def test_all_monitors_measure_the_last_step() -> None:
    task = sphere(train_size=40, batch_size=8)
    x, y = points(task)
    torch.manual_seed(0)
    harmonics = HarmonicMonitor(x, y, task.direction, task.degrees, every=100)
    twin, monitor = LinearTwin(x, every=100), NTKMonitor(x[:5], every=100)
    net = create_model("mlp", input_shape=(3,), output_dim=1, width=16)
    fit_task(LitModel(net, task, plain(0.05)), task, harmonics, twin, monitor, epochs=-1, max_steps=7)
    assert harmonics.steps == twin.steps == monitor.track.steps == [0, 7]


def test_the_linear_twin_steps_when_the_network_does() -> None:
    """Gradients of four batches in one step are those of the whole set."""
    distances = []
    for size, options in ((10, {"accumulate_grad_batches": 4}), (40, {})):
        task = sphere(train_size=40, batch_size=size)
        torch.manual_seed(0)
        net = create_model("mlp", input_shape=(3,), output_dim=1, width=64)
        twin = LinearTwin(points(task)[0], every=1)
        fit_task(LitModel(net, task, plain(0.05)), task, twin, epochs=4, **options)
        assert twin.steps == [0, 1, 2, 3, 4]
        distances.append(twin.distances[-1])
    assert distances[0] == pytest.approx(distances[1], rel=1e-3)


def test_all_monitors_measure_what_an_exception_leaves(tmp_path: Path) -> None:
    class Broken(LitModel):
        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            if batch_idx == 3:
                raise RuntimeError("broken")
            return super().training_step(batch, batch_idx)

    task = sphere(train_size=40, batch_size=8)
    x, y = points(task)
    torch.manual_seed(0)
    harmonics = HarmonicMonitor(x, y, task.direction, task.degrees, every=100)
    twin, monitor = LinearTwin(x, every=100), NTKMonitor(x[:5], every=100, file=tmp_path / "ntk.safetensors")
    net = create_model("mlp", input_shape=(3,), output_dim=1, width=16)
    with pytest.raises(RuntimeError, match="broken"):
        fit_task(Broken(net, task, plain(0.05)), task, harmonics, twin, monitor, epochs=1)
    assert harmonics.steps == twin.steps == monitor.track.steps == [0, 3]
    assert read_tensors(tmp_path / "ntk.safetensors")["steps"].tolist() == [0, 3]
