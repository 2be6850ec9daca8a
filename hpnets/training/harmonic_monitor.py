"""HarmonicMonitor logs during training how much of each harmonic on the sphere is still to be learnt."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from hpnets.theory import zonal_coefficients
from hpnets.training.batch_statistics import BatchStatistics, Source
from hpnets.training.log import log_now
from hpnets.training.measured_network import FindNetwork, find_network, outputs_of
from hpnets.training.schedule import Every, Scheduled
from hpnets.validate import require_shape


class HarmonicMonitor(Scheduled):
    r"""Logs harmonic/<k>, the coefficient a_k of P_k(<x, u>) in the residual f(x) - y, at step 0, when due, at the end.

        f(x_i) - y_i ~ sum_k a_k P_k(<x_i, u>),   by least squares over the points: `zonal_coefficients`

    For a target a P_k, a_k starts near -a if f starts near 0, and the target is learnt when a_k is 0.
    `hpnets.kernels.learning_curves` predicts the course of a_k.

    Args:
        x: points on the sphere (N, d). y: targets (N, 1) there.
        direction: u (d,). degrees: the degrees k that are fitted.
        every, net, batch_statistics: as for `NTKMonitor`.

    `steps` (a list) and `coefficients` (a list of (D,) tensors) hold the measurements, and are part of checkpoints.
    Raises ValueError for points off the sphere, and for shapes that do not fit.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        direction: Tensor,
        degrees: Sequence[int],
        *,
        every: Every = "log",
        net: FindNetwork = None,
        batch_statistics: Source = "estimate",
    ) -> None:
        super().__init__(every)
        zonal_coefficients(y, x, direction, degrees)
        require_shape(y.shape[1] == 1, "y", y, f"({len(x)}, 1), one output")
        self.x, self.y, self.direction, self.degrees = x, y, direction, tuple(degrees)
        self.net, self.statistics = net, BatchStatistics(batch_statistics, x)
        self.steps: list[int] = []
        self.coefficients: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.statistics.start(find_network(pl_module, self.net))
        super().on_train_start(trainer, pl_module)

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps, self.coefficients = [], []

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        net = find_network(pl_module, self.net)
        with self.statistics.lent(net, trainer):
            outputs = outputs_of(net, self.x)
        residual = outputs - self.y.double().cpu()
        a = zonal_coefficients(residual, self.x.cpu(), self.direction.cpu(), self.degrees)[:, 0]
        self.steps.append(trainer.global_step)
        self.coefficients.append(a)
        log_now(trainer, {f"harmonic/{k}": float(value) for k, value in zip(self.degrees, a, strict=True)})

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "coefficients": self.coefficients}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.coefficients = list(state_dict["steps"]), list(state_dict["coefficients"])
        self.resumed(self.steps)
