"""HarmonicMonitor: what is left to learn of each harmonic on the sphere, along training."""

from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from hpnets.theory import zonal_coefficients
from hpnets.training.log import log_now
from hpnets.training.modes import eval_mode
from hpnets.training.ntk_monitor import find_network
from hpnets.training.schedule import Every, check_every, is_due

ROWS = 4096  # at once


class HarmonicMonitor(pl.Callback):
    r"""Logs harmonic/<k>, the coefficient a_k of P_k(<x, u>) in the residual f(x) - y, at step 0, when due, at the end.

        f(x_i) - y_i ~ sum_k a_k P_k(<x_i, u>),   least squares over the points: `zonal_coefficients`

    A target a P_k starts near -a where f starts near 0, and is learnt when a_k is 0. `hpnets.theory.learning_curves`
    predicts its course.

    Args:
        x: points on the sphere (N, d). y: targets (N, 1) there.
        direction: u (d,). degrees: the k that are fitted.
        every: measure each that many steps, each "epoch" (at its end), or at "log"-spaced steps.
        net: as for `NTKMonitor`.

    `steps` (a list) and `coefficients` (a list of (D,) tensors) hold what was measured; they are part of checkpoints.
    Raises ValueError for points off the sphere, and shapes that do not fit.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        direction: Tensor,
        degrees: Sequence[int],
        *,
        every: Every = "log",
        net: str | Callable[[pl.LightningModule], nn.Module] | None = None,
    ) -> None:
        zonal_coefficients(y, x, direction, degrees)
        if y.shape[1] != 1:
            raise ValueError(f"y has shape {tuple(y.shape)}; allowed: ({len(x)}, 1), one output")
        self.x, self.y, self.direction, self.degrees = x, y, direction, tuple(degrees)
        self.every, self.net = check_every(every), net
        self.steps: list[int] = []
        self.coefficients: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.steps or self.steps[-1] > trainer.global_step:
            self.steps, self.coefficients = [], []
            self._measure(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if is_due(self.every, trainer.global_step):
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.every == "epoch" or trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs:
            self._measure(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._measure(trainer, pl_module)

    def _measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.steps and self.steps[-1] == trainer.global_step:
            return
        net = find_network(pl_module, self.net)
        with eval_mode(net), torch.no_grad(), torch.autocast(pl_module.device.type, enabled=False):
            x = self.x.to(pl_module.device, next(net.parameters()).dtype)
            outputs = torch.cat([net(rows) for rows in x.split(ROWS)])
        residual = outputs.double().cpu() - self.y.double().cpu()
        a = zonal_coefficients(residual, self.x.cpu(), self.direction.cpu(), self.degrees)[:, 0]
        self.steps.append(trainer.global_step)
        self.coefficients.append(a)
        log_now(trainer, {f"harmonic/{k}": float(value) for k, value in zip(self.degrees, a, strict=True)})

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "coefficients": self.coefficients}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.coefficients = list(state_dict["steps"]), list(state_dict["coefficients"])
