"""CurvatureMonitor: what it logs against dense Hessians, on the schedule, in any module, and through a cut."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from hpnets.options import CurvatureOptions
from hpnets.training import CurvatureMonitor, NonFiniteError, train
from hpnets.training.schedule import Every
from tests.training.runs import assert_same_run, read_rows, small_options, train_until

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*"
)
X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 3


class Foreign(pl.LightningModule):
    """A module of another project: its network under another name, with dropout, and a rate of each layer."""

    def __init__(self, kind: Any, options: dict[str, Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.kind, self.options = kind, options

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return cross_entropy(self.backbone(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = [{"params": self.backbone[0].parameters(), "lr": 0.3}, {"params": self.backbone[3].parameters()}]
        return self.kind(groups, lr=0.1, **self.options)


def fit(module: Foreign, monitor: CurvatureMonitor, steps: int = 4, batch: tuple[Tensor, Tensor] = (X, Y)) -> None:
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[monitor],
    )
    trainer.fit(module, DataLoader(TensorDataset(*batch), batch_size=10))


def dense(net: nn.Module) -> Tensor:
    """H (P, P) in float64 of the whole batch, in eval mode."""
    params = {name: p.detach().double() for name, p in net.named_parameters()}

    def loss(theta: Tensor) -> Tensor:
        parts = theta.split([p.numel() for p in params.values()])
        values = {name: t.view(p.shape) for (name, p), t in zip(params.items(), parts, strict=True)}
        return cross_entropy(torch.func.functional_call(net, values, (X.double(),)), Y)

    net.eval()
    return torch.func.hessian(loss)(torch.cat([p.flatten() for p in params.values()]))


@pytest.mark.parametrize(
    ("kind", "options", "threshold"),
    [(torch.optim.SGD, {"momentum": 0.5}, 30.0), (torch.optim.Adam, {"eps": 0.1}, 380.0)],
)
def test_what_it_logs_of_any_module(kind: Any, options: dict[str, Any], threshold: float) -> None:
    module, monitor = Foreign(kind, options), CurvatureMonitor(X, Y, cross_entropy, every=2, k=2, net="backbone")
    fit(module, monitor)
    assert monitor.steps == [0, 2, 4]
    assert ("sharpness" in monitor.values[0]) == (kind is torch.optim.SGD)
    values, H = monitor.values[-1], dense(module.backbone)
    assert values["threshold"] == pytest.approx(threshold)
    assert values["sharpness_raw"] == pytest.approx(float(torch.linalg.eigvalsh(H)[-1]), rel=1e-4)
    D = torch.cat([torch.full((40,), 3.0), torch.ones(27)]).double()
    if kind is torch.optim.Adam:
        state = [module.trainer.optimizers[0].state[p] for p in module.backbone.parameters()]
        second = torch.cat([s["exp_avg_sq"].flatten() for s in state]) / (1 - 0.999**4)
        D /= second.sqrt() + 0.1
    A = D.sqrt()[:, None] * H * D.sqrt()
    exact = torch.linalg.eigvalsh(A).flip(0)
    assert values["sharpness"] == pytest.approx(float(exact[0]), rel=1e-4)
    assert values["sharpness_2"] == pytest.approx(float(exact[1]), rel=1e-4)
    net = module.backbone
    g = torch.cat([p.flatten() for p in torch.autograd.grad(cross_entropy(net(X), Y), list(net.parameters()))])
    g = D.sqrt() * g.double()
    assert values["directional_sharpness"] == pytest.approx(float(g @ A @ g / (g @ g)), rel=1e-4)
    assert 0 < values["gauss_newton_share"] < 1.5
    assert values["residual"] < 1e-3


def test_an_unknown_optimiser_is_said_and_leaves_the_raw_sharpness() -> None:
    monitor = CurvatureMonitor(X, Y, cross_entropy, net="backbone")
    with pytest.warns(UserWarning, match="only sharpness_raw is logged"):
        fit(Foreign(torch.optim.RMSprop, {}), monitor, steps=2)
    assert [set(values) for values in monitor.values] == [{"sharpness_raw"}, {"sharpness_raw"}]


def test_the_module_is_left_as_it_was_and_trains_the_same() -> None:
    modules = []
    for every in (1, 100):
        modules.append(Foreign(torch.optim.SGD, {}))
        fit(modules[-1], CurvatureMonitor(X, Y, cross_entropy, net="backbone", every=every))
    tracked, plain = modules
    assert tracked.backbone.training
    for a, b in zip(tracked.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_without_a_curvature_is_refused_at_the_start() -> None:
    for monitor, message in (
        (CurvatureMonitor(X, Y, cross_entropy, k=68, net="backbone"), "k is 68; allowed: 1 to 67, the parameters"),
        (CurvatureMonitor(X, Y, cross_entropy, net="backbone", memory=2000), r"memory is 2000 bytes.* 40 samples"),
        (CurvatureMonitor(X, Y, lambda f, y: f.argmax(1).float().mean(), net="backbone"), "does not depend"),
    ):
        with pytest.raises(ValueError, match=message):
            monitor.check(Foreign(torch.optim.SGD, {}).backbone)
    with pytest.raises(ValueError, match=r"y has shape \(3,\); allowed: \(40, ...\)"):
        CurvatureMonitor(X, Y[:3], cross_entropy)


def test_a_loss_that_is_not_finite_ends_the_fit() -> None:
    with pytest.raises(NonFiniteError, match="the loss is nan, so that its curvature would hold NaN or Inf at step 0"):
        fit(Foreign(torch.optim.SGD, {}), CurvatureMonitor(X * torch.nan, Y, cross_entropy, net="backbone"))


@pytest.mark.parametrize("every", ["epoch", "log", 4])
def test_a_run_cut_at_any_step_goes_on_as_if_it_had_not_been(tmp_path: Path, every: Every) -> None:
    options = small_options(curvature=CurvatureOptions(every=every, probe=20))
    train(options, tmp_path / "whole")
    cut, measured = {
        "epoch": (12, [0, 9, 18]),
        "log": (10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 18]),
        4: (17, [0, 4, 8, 12, 16, 18]),
    }[every]
    train_until(cut, options, tmp_path / "cut")
    train(options, tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    rows = [row for row in read_rows(tmp_path / "whole") if row["curvature/sharpness_raw"]]
    assert [int(row["step"]) for row in rows] == measured
    assert all(row["curvature/sharpness"] for row in rows[1:])
