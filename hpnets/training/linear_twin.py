"""LinearTwin trains the linearised net beside the network, and logs how far both and the kernel predictor differ."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from hpnets.ntk import Linearised, eager, linearize
from hpnets.training.batch_statistics import BatchStatistics, Source
from hpnets.training.lit import LitModel
from hpnets.training.log import log_now
from hpnets.training.measured_network import find_network, outputs_of
from hpnets.training.schedule import Every, Scheduled


class LinearTwin(Scheduled):
    r"""Trains the linearised net f_lin = `linearize(net)` on the same batches, with the same optimiser and rates.

        lazy/moved          |f_t - f_0|, how far the network has moved, the scale for the others
        lazy/net_linear     |f_t - f_lin,t|
        lazy/net_kernel     |f_t - predict(t)|, with `predict`
        lazy/linear_kernel  |f_lin,t - predict(t)|, with `predict`

    |.| is the root mean square over held-out inputs and outputs, t the steps. They are logged at step 0, when due, and
    at the end.

    Args:
        x: held-out inputs (M, ...).
        predict: a function of the steps that gives (M, O), such as `KernelPredictor.test` of `KernelPredictor.descent`
            for full batches of SGD without momentum on the squared error; f_lin itself needs no such restriction.
        every, batch_statistics: as for `NTKMonitor`. The linearised net keeps the BatchNorm statistics of the start.

    It works for a LitModel on one process, without weight decay; it raises ValueError for several processes, since the
    linearised net's gradients are not shared, for weight decay, which would pull theta - theta_0 of the linearised
    net to 0, but theta of the network, and for clipping, mixup, label smoothing and attacks. The linearised net stays
    in eval mode, without the network's randomness and train-mode statistics. `steps` and `distances` (a list of
    dictionaries) hold the measurements; they and the linearised net are part of checkpoints.

    Source: Lee et al. 2019 (arXiv 1902.06720), figures 1-3.
    """

    def __init__(
        self,
        x: Tensor,
        predict: Callable[[int], Tensor] | None = None,
        *,
        every: Every = "log",
        batch_statistics: Source = "estimate",
    ) -> None:
        super().__init__(every)
        self.x, self.predict, self.statistics = x, predict, BatchStatistics(batch_statistics, x)
        self.steps: list[int] = []
        self.distances: list[dict[str, float]] = []
        self._saved: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, LitModel):
            raise ValueError(
                f"LinearTwin is given a {type(pl_module).__name__}; allowed: a LitModel, whose loss it takes"
            )
        self.task = pl_module.task
        for name in ("clip", "mixup", "label_smoothing"):
            value = getattr(pl_module.optim, name)
            if value:
                raise ValueError(f"optim.{name} is {value} beside LinearTwin, which trains without it; allowed: 0")
        if pl_module.adversary is not None:
            eps = pl_module.adversary.options.eps
            raise ValueError(f"adversarial.eps is {eps} beside LinearTwin, which trains without it; allowed: 0")
        if trainer.world_size > 1:
            raise ValueError(f"LinearTwin runs on {trainer.world_size} processes; allowed: trainer.devices=1")
        net = find_network(pl_module, None)
        self.statistics.start(net)
        with self.statistics.lent(net, trainer):
            self.twin: Linearised = linearize(net).eval()
        self.optimizer = _alike(trainer.optimizers[0], net, self.twin)
        if self._measured is not None:
            self.twin.load_state_dict(self._saved["twin"])
            self.optimizer.load_state_dict(self._saved["optimizer"])
        super().on_train_start(trainer, pl_module)

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps, self.distances = [], []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        _, (x, y), _ = args
        (self.task.loss(self.twin(x), y) / trainer.accumulate_grad_batches).backward()
        if trainer.global_step > self._checked:
            self.optimizer.step()
            self.optimizer.zero_grad()
            for own, of_net in zip(self.optimizer.param_groups, trainer.optimizers[0].param_groups, strict=True):
                own["lr"] = of_net["lr"]  # of the next step: the schedule has moved on already
        super().on_train_batch_end(trainer, pl_module)

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step, net = trainer.global_step, find_network(pl_module, None)
        with self.statistics.lent(net, trainer):
            outputs = {"net": outputs_of(net, self.x), "linear": outputs_of(self.twin, self.x)}
        if self.predict is not None:
            outputs["kernel"] = self.predict(step).double().cpu()
        pairs = [("net", "linear"), ("net", "kernel"), ("linear", "kernel")]
        values = {f"lazy/{a}_{b}": _distance(outputs[a], outputs[b]) for a, b in pairs if b in outputs}
        values["lazy/moved"] = _distance(outputs["net"], outputs_of(self.twin.net, self.x))
        self.steps.append(step)
        self.distances.append(values)
        log_now(trainer, values)

    def state_dict(self) -> dict[str, Any]:
        twin, optimizer = self.twin.state_dict(), self.optimizer.state_dict()
        return {"twin": dict(twin), "optimizer": optimizer, "steps": self.steps, "distances": self.distances}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict
        self.steps, self.distances = list(state_dict["steps"]), list(state_dict["distances"])
        self.resumed(self.steps)


def _alike(optimizer: torch.optim.Optimizer, net: nn.Module, twin: Linearised) -> torch.optim.Optimizer:
    """The optimiser of the linearised net's delta, with the network's groups and their options, such as mup's rates."""
    delta = dict(zip(twin.names, twin.delta, strict=True))
    of = {id(p): delta[name] for name, p in eager(net).named_parameters() if name in delta}
    for group in optimizer.param_groups:
        if group.get("weight_decay", 0):
            raise ValueError(
                f"weight_decay is {group['weight_decay']} beside LinearTwin, which trains theta - theta_0, not theta; "
                "allowed: 0"
            )
    groups = [{**group, "params": [of[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
    return type(optimizer)(groups, **optimizer.defaults)


def _distance(a: Tensor, b: Tensor) -> float:
    """The root mean square of a - b."""
    return float((a - b).square().mean().sqrt())
