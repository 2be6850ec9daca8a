"""NTKMonitor: what it measures, when, on whose network, and what it leaves untouched."""

import math
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from hpnets.atomic_files import read_tensors
from hpnets.ntk import Plan, estimated_statistics, ntk, plan
from hpnets.ntk._proof import Prover
from hpnets.ntk.metrics import step_elasticity
from hpnets.training import NonFiniteError, NTKMonitor, ntk_monitor
from hpnets.training.batch_statistics import training_inputs
from tests.training.quiet import quiet_trainer

X = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
Y = torch.eye(3)[torch.arange(24) % 3]


class Foreign(pl.LightningModule):
    """Somebody else's module: other attribute names, dropout, BatchNorm, its own training step."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 3)
        )
        self.lr = lr

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.backbone(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr)


def fit(
    module: pl.LightningModule,
    *callbacks: pl.Callback,
    epochs: int = 2,
    checkpoint: Path | None = None,
    **kwargs: object,
) -> pl.Trainer:
    pl.seed_everything(0, verbose=False)
    trainer = quiet_trainer(*callbacks, max_epochs=epochs, **kwargs)
    trainer.fit(module, DataLoader(TensorDataset(X, Y), batch_size=6), ckpt_path=checkpoint, weights_only=True)
    return trainer


def kernel_of(module: Foreign, rows: int) -> Tensor:
    """Of the first rows of X, with the statistics that a monitor estimates: these fits take some steps only."""
    with estimated_statistics(module.backbone, training_inputs(DataLoader(TensorDataset(X, Y), 6))):
        return ntk(module.backbone.eval(), X[:rows], outputs="trace")


def test_it_measures_the_kernel_of_a_foreign_module(tmp_path: Path) -> None:
    monitor = NTKMonitor(X[:8], Y[:8], net="backbone", file=tmp_path / "ntk.safetensors")
    module = Foreign()
    trainer = fit(module, monitor)
    assert torch.equal(monitor.track.last, kernel_of(module, 8))
    assert monitor.track.steps == [0, 4, 8]
    first = monitor.track.first
    drift = float((monitor.track.last.double() - first.double()).norm() / first.double().norm())
    assert monitor.track.metrics[-1]["drift"] == pytest.approx(drift, rel=1e-12)
    assert float(trainer.callback_metrics["ntk/drift"]) == pytest.approx(drift, rel=1e-6)


@pytest.mark.parametrize(
    ("every", "steps"),
    [
        ("epoch", [0, 4, 8, 12]),
        (5, [0, 5, 10, 12]),
        (4, [0, 4, 8, 12]),
        ("log", [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]),
    ],
)
def test_schedules(every: int | str, steps: list[int]) -> None:
    monitor = NTKMonitor(X[:4], net="backbone", every=every)
    fit(Foreign(), monitor, epochs=3)
    assert monitor.track.steps == steps


def test_training_is_the_same_with_and_without_it() -> None:
    """Modes, buffers and the random numbers of dropout are left as they were."""
    plain, watched = Foreign(), Foreign()
    watched.load_state_dict(plain.state_dict())
    fit(plain)
    fit(watched, NTKMonitor(X[:4], net=lambda module: cast(nn.Module, module.backbone), every=1))
    for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_finds_net_then_model_and_says_how_to_name_another() -> None:
    module = Foreign()
    with pytest.raises(ValueError, match=r"Foreign has no network in 'net' or 'model'.*NTKMonitor\(x, net="):
        fit(module, NTKMonitor(X[:4]))
    module.model = module.backbone
    monitor = NTKMonitor(X[:4])
    fit(module, monitor)
    assert monitor.track.steps == [0, 4, 8]


def test_a_compiled_network_is_measured_eager() -> None:
    module = Foreign()
    module.net = cast(nn.Module, torch.compile(module.backbone, backend="eager"))
    monitor = NTKMonitor(X[:4])
    fit(module, monitor, epochs=1)
    assert torch.equal(monitor.track.last, kernel_of(module, 4))


def test_mixed_precision_does_not_reach_the_kernel() -> None:
    monitor = NTKMonitor(X[:4], net="backbone")
    module = Foreign()
    fit(module, monitor, precision="bf16-mixed")
    assert monitor.track.last.dtype == torch.float32
    assert torch.equal(monitor.track.last, kernel_of(module, 4))


@pytest.mark.parametrize(
    ("outputs", "shape"), [("trace", (6, 6)), ("full", (6, 6, 3, 3)), ("sum", (6, 6)), (2, (6, 6))]
)
def test_output_modes(outputs: str | int, shape: tuple[int, ...], tmp_path: Path) -> None:
    file = tmp_path / "ntk.safetensors"
    monitor = NTKMonitor(X[:6], Y[:6], net="backbone", outputs=outputs, file=file, save_kernels=True)
    fit(Foreign(), monitor)
    track = read_tensors(file)
    assert track["kernels"].shape == (3, *shape)
    assert track["spectra"].shape == (3, math.prod(shape) // 6 // (shape[-1] if len(shape) == 4 else 1))
    torch.testing.assert_close(track["spectra_normalised"].sum(1), torch.ones(3, dtype=torch.float64))
    assert torch.equal(track["kernel_first"], track["kernels"][0])
    assert torch.equal(
        track["metrics/drift"], torch.tensor([m["drift"] for m in monitor.track.metrics], dtype=torch.float64)
    )


def test_only_the_metrics_asked_for_are_logged() -> None:
    monitor = NTKMonitor(X[:6], net="backbone", metrics=["trace", "drift"])
    trainer = fit(Foreign(), monitor)
    assert {name for name in trainer.callback_metrics if name.startswith("ntk/")} == {"ntk/trace", "ntk/drift"}


def test_a_resumed_fit_continues_the_track_and_a_new_one_starts_another(tmp_path: Path) -> None:
    monitor, module = NTKMonitor(X[:6], Y[:6], net="backbone"), Foreign()
    fit(module, monitor).save_checkpoint(tmp_path / "two.ckpt")
    again = NTKMonitor(X[:6], Y[:6], net="backbone")
    fit(Foreign(), again, epochs=3, checkpoint=tmp_path / "two.ckpt")
    assert again.track.steps == [0, 4, 8, 12]
    assert torch.equal(again.track.first, monitor.track.first)
    fit(module, again, epochs=1)
    assert again.track.steps == [0, 4]
    assert torch.equal(again.track.first, monitor.track.last)


class Gated(nn.Module):
    """A branch behind a gate that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.branch, self.skip = nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 3)), nn.Linear(5, 3)
        self.gate = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.gate * self.branch(x)


@pytest.mark.filterwarnings("ignore:.*zero gradient")
@pytest.mark.parametrize("gated", [False, True])
def test_one_plan_serves_all_measurements_and_what_was_idle_is_proven_later(
    gated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Plan] = []
    entries: list[None] = []
    conclude = Prover.conclude
    monkeypatch.setattr(ntk_monitor, "plan", lambda *args, **options: made.append(plan(*args, **options)) or made[-1])
    monkeypatch.setattr(Prover, "conclude", lambda *args, **options: entries.append(conclude(*args, **options)))
    module = Foreign()
    if gated:
        module.backbone = nn.Sequential(Gated())
    monitor = NTKMonitor(X[:8], net="backbone", every=1)
    fit(module, monitor)
    assert len(made) == 1
    # Gates that were closed at the start proved nothing then.
    assert set().union(*made[0].proven.values()) == {name for name, _ in module.backbone.named_parameters()}
    assert len(entries) == 1 + gated
    assert torch.equal(monitor.track.last, kernel_of(module, 8))


def test_a_plan_that_no_longer_holds_is_made_anew() -> None:
    module = Foreign()
    monitor = NTKMonitor(X[:8], net="backbone", every=1)
    fit(module, monitor)
    module.backbone[0].weight.requires_grad_(False)
    module.backbone.eval()
    assert torch.equal(monitor._ntk(module.backbone, X[:8]), ntk(module.backbone, X[:8], outputs="trace"))
    assert not monitor.plans


def test_the_track_is_written_at_the_end_and_when_training_breaks_off(tmp_path: Path) -> None:
    class Broken(Foreign):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            if self.global_step == 3:
                raise RuntimeError("broken")
            return super().training_step(batch, batch_idx)

    for module, steps in ((Foreign(), list(range(9))), (Broken(), [0, 1, 2, 3])):
        monitor = NTKMonitor(X[:8], net="backbone", every=1, file=tmp_path / "ntk.safetensors")
        with pytest.raises(RuntimeError, match="broken") if isinstance(module, Broken) else nullcontext():
            fit(module, monitor)
        assert read_tensors(tmp_path / "ntk.safetensors")["steps"].tolist() == steps


def test_a_degenerate_kernel_is_warned_about() -> None:
    module = Foreign()
    module.net = Gated()
    with pytest.warns(UserWarning, match="% of the parameters have zero gradient"):
        fit(module, NTKMonitor(X[:6]), epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*zero gradient.*")
        fit(Foreign(), NTKMonitor(X[:6], net="backbone"), epochs=1)


def test_a_kernel_that_is_not_finite_stops_the_run_at_its_step() -> None:
    module = Foreign(lr=1e30)
    with pytest.raises(NonFiniteError, match=r"NaN or Inf.* at step 2"):
        fit(module, NTKMonitor(X[:6], net="backbone", every=2))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"every": 0}, "every is 0"),
        ({"every": "hour"}, "every is 'hour'"),
        ({"every": True}, "every is True"),
        ({"metrics": ["drfit"]}, "metrics has 'drfit'"),
        ({"y": Y[:3]}, r"y has shape \(3, 3\)"),
    ],
)
def test_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTKMonitor(X[:6], **kwargs)


def test_steps_and_centred_kernels_by_name_of_the_whole_and_of_a_block(tmp_path: Path) -> None:
    """A block's steps move its own parameters; training is the same as without them."""
    names = ["step_elasticity", "centred_effective_rank"]
    options = {"net": "backbone", "every": 4, "batch_statistics": "running"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monitor = NTKMonitor(X[:9], Y[:9], metrics=names, blocks=["4.*"], **options)
        module, plain = Foreign(), Foreign()
        plain.load_state_dict(module.state_dict())
        fit(module, monitor)
        fit(plain, NTKMonitor(X[:9], Y[:9], metrics=["trace"], **options))
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))
    net, labels = module.backbone.eval(), Y[:9].argmax(1)
    last = {name: track.metrics[-1] for name, track in (("", monitor.track), ("4.*", monitor.track.blocks["4.*"]))}
    block = {name: p.detach() for name, p in net.named_parameters() if name.startswith("4.")}
    for name, params in (("", None), ("4.*", block)):
        assert last[name]["step_elasticity"] == step_elasticity(net, X[:9], labels, params=params).ratio
        assert list(last[name]) == names
    assert last[""]["step_elasticity"] != last["4.*"]["step_elasticity"]
    with pytest.raises(ValueError, match="metrics has 'step_elasticity', which compare with targets: there are none"):
        NTKMonitor(X[:9], metrics=names)
