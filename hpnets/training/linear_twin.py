"""LinearTwin: the linearised network trained beside the network, and how far they and the kernel predictor part."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from hpnets.ntk import Linearised, eager, linearize
from hpnets.training.lit import LitModel
from hpnets.training.log import log_now
from hpnets.training.modes import eval_mode
from hpnets.training.ntk_monitor import find_network
from hpnets.training.schedule import Every, check_every, is_due


class LinearTwin(pl.Callback):
    r"""Trains f_lin = `linearize(net)` on the same batches, with an optimiser of the same kind and rates:

        lazy/moved          |f_t - f_0|, how far the network has moved: what the others are small or large against
        lazy/net_linear     |f_t - f_lin,t|
        lazy/net_kernel     |f_t - predict(t)|, with `predict`
        lazy/linear_kernel  |f_lin,t - predict(t)|, with `predict`

    |.| is the root mean square over held-out inputs and outputs, t the steps. Logged at step 0, when due, at the end.

    Args:
        x: held-out inputs (M, ...).
        predict: steps -> (M, O), such as `KernelPredictor.test` of `KernelPredictor.descent` for full batches of SGD
            without momentum on the squared error; f_lin itself needs no such restriction.
        every: measure each that many steps, each "epoch" (at its end), or at "log"-spaced steps.

    For a LitModel on one process (ValueError for more: the twin's gradients are not shared), without weight decay
    (ValueError: it would pull the twin's theta - theta_0 to 0 where it pulls the network's theta). The network's
    randomness and train-mode statistics do not reach the twin, which stays in eval mode. `steps` and `distances` (a
    list of dictionaries) hold what was measured; they and the twin are part of checkpoints.

    Source: Lee et al. 2019 (arXiv 1902.06720), figures 1-3.
    """

    def __init__(self, x: Tensor, predict: Callable[[int], Tensor] | None = None, *, every: Every = "log") -> None:
        self.x, self.predict, self.every = x, predict, check_every(every)
        self.steps: list[int] = []
        self.distances: list[dict[str, float]] = []
        self._saved: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, LitModel):
            raise ValueError(
                f"LinearTwin is given a {type(pl_module).__name__}; allowed: a LitModel, whose loss it takes"
            )
        self.task = pl_module.task
        if trainer.world_size > 1:
            raise ValueError(f"LinearTwin runs on {trainer.world_size} processes; allowed: trainer.devices=1")
        net = find_network(pl_module, None)
        self.twin: Linearised = linearize(net).eval()
        self.optimizer = _alike(trainer.optimizers[0], net, self.twin)
        if self._saved:
            self.twin.load_state_dict(self._saved["twin"])
            self.optimizer.load_state_dict(self._saved["optimizer"])
            self._saved = None
        else:
            self.steps, self.distances = [], []
        self._measure(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        x, y = batch
        self.optimizer.zero_grad()
        self.task.loss(self.twin(x), y).backward()
        self.optimizer.step()
        if is_due(self.every, trainer.global_step):
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.every == "epoch" or trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs:
            self._measure(trainer, pl_module)

    def _measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step = trainer.global_step
        if self.steps and self.steps[-1] == step:
            return
        found = {"net": self._outputs(find_network(pl_module, None)), "linear": self._outputs(self.twin)}
        if self.predict is not None:
            found["kernel"] = self.predict(step).double().cpu()
        pairs = [("net", "linear"), ("net", "kernel"), ("linear", "kernel")]
        values = {f"lazy/{a}_{b}": _distance(found[a], found[b]) for a, b in pairs if b in found}
        values["lazy/moved"] = _distance(found["net"], self._outputs(self.twin.net))
        self.steps.append(step)
        self.distances.append(values)
        log_now(trainer, values)

    def _outputs(self, net: nn.Module) -> Tensor:
        p = next(net.parameters())
        with eval_mode(net), torch.no_grad(), torch.autocast(p.device.type, enabled=False):
            return net(self.x.to(p)).double().cpu()

    def state_dict(self) -> dict[str, Any]:
        twin, optimizer = self.twin.state_dict(), self.optimizer.state_dict()
        return {"twin": dict(twin), "optimizer": optimizer, "steps": self.steps, "distances": self.distances}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saved = state_dict
        self.steps, self.distances = list(state_dict["steps"]), list(state_dict["distances"])


def _alike(optimizer: torch.optim.Optimizer, net: nn.Module, twin: Linearised) -> torch.optim.Optimizer:
    """The optimiser of the twin's delta, in groups of the same options, such as the learning rates of mup."""
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
