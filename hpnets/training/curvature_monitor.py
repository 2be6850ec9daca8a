"""CurvatureMonitor measures the sharpness of the loss during training, on one fixed batch."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from hpnets.curvature import (
    CurvatureOperator,
    NetworkLoss,
    Sharpness,
    all_ones,
    directional_sharpness,
    gauss_newton,
    hessian,
    network_loss,
    rate_weights,
    share_of,
    sharpness,
    stability_threshold,
)
from hpnets.training.batch_statistics import BatchStatistics, Source
from hpnets.training.errors import NonFiniteError
from hpnets.training.log import log_now
from hpnets.training.measured_network import FindNetwork, find_network
from hpnets.training.schedule import Every, Scheduled
from hpnets.validate import at_least, require_shape

# The residual of an eigenvector to which it is followed: the error of the eigenvalue is about its square.
TOLERANCE = 1e-3


class CurvatureMonitor(Scheduled):
    r"""Logs curvature/<name> of L = criterion(net(x), y) at step 0, on a schedule, and at the end.

    | name | what |
    | --- | --- |
    | sharpness | the largest eigenvalue l_1 of A = D^1/2 H D^1/2, D = `rate_weights` of the optimiser; sharpness_2 .. |
    | sharpness_raw | the largest eigenvalue of H |
    | threshold | `stability_threshold`: 2 / lr for SGD, 38 / lr for Adam with beta_1 = 0.9 |
    | gauss_newton_share | v_1^T D^1/2 G D^1/2 v_1 / l_1 |
    | directional_sharpness | g^T A g / g^T g along the gradient g in the coordinates of A |
    | residual | the largest of \|A v - l v\| / l_1 |

    It works for any LightningModule that holds its network in an attribute, as `NTKMonitor` does. The loss is that of
    the network in eval mode: dropout is off, and BatchNorm uses its running statistics, or estimated ones while these
    remember their start; the loss of a training step in train mode has another curvature. Under Adam only sharpness_raw
    is logged before the first step, and with an optimiser other than SGD, Adam and AdamW, always. In a distributed run
    the ranks share the batch, and every rank logs the same values.

    Args:
        x, y: the batch, inputs (N, ...) and targets (N, ...), the same on every rank.
        criterion: a function of outputs and targets that gives their mean over samples.
        every, net, batch_statistics: as for `NTKMonitor`.
        k: how many of the largest eigenvalues are logged.
        memory: the bytes that a product may take.

    `steps` and `values` (a list of dictionaries) hold the measurements, and are part of checkpoints. Raises
    NonFiniteError if the curvature holds NaN or Inf, and ValueError as `hessian` and `sharpness` do.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        *,
        every: Every = "epoch",
        k: int = 1,
        net: FindNetwork = None,
        batch_statistics: Source = "estimate",
        memory: str | float = "1GiB",
    ) -> None:
        super().__init__(every)
        require_shape(y.ndim > 0 and len(y) == len(x), "y", y, f"({len(x)}, ...), one row a sample of x")
        self.x, self.y, self.criterion, self.k = x, y, criterion, at_least("k", k, 1)
        self.net, self.memory = net, memory
        self.statistics = BatchStatistics(batch_statistics, x)
        self.steps: list[int] = []
        self.values: list[dict[str, float]] = []

    def check(self, net: nn.Module, loader: object = None) -> None:
        """Raise ValueError if the curvature of `net` cannot be computed; a product of the whole batch is prepared.

        loader: the train dataloader, on which BatchNorm's statistics are estimated.
        """
        with self.statistics.lent(net, None, loader):
            loss, batch = self._loss_and_batch(net)
            self._check_k(hessian(loss, loss.params, batch, memory=self.memory, verify=False))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.statistics.start(find_network(pl_module, self.net))
        super().on_train_start(trainer, pl_module)

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.steps, self.values, net = [], [], find_network(pl_module, self.net)
        if known_optimizer(trainer, net) is None:
            warnings.warn(
                "curvature: no optimiser of the kinds SGD, Adam and AdamW trains the whole network, so that only "
                "sharpness_raw is logged",
                stacklevel=2,
            )
        with finite_at(trainer.global_step), self.statistics.lent(net, trainer):
            loss, batch = self._loss_and_batch(net)
            # Second derivatives are proven here, once a fit, and say so if they are wrong.
            self._check_k(hessian(loss, loss.params, batch, memory=self.memory))

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        net = find_network(pl_module, self.net)
        with finite_at(trainer.global_step), self.statistics.lent(net, trainer):
            values = self._measure(net, known_optimizer(trainer, net))
        self.steps.append(trainer.global_step)
        self.values.append(values)
        logged = {f"curvature/{name}": value for name, value in values.items()}
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in logged.items()})
        log_now(trainer, logged)

    def _measure(self, net: nn.Module, optimizer: Optimizer | None) -> dict[str, float]:
        loss, batch = self._loss_and_batch(net)
        weights = None if optimizer is None else rate_weights(loss.params, optimizer)
        # The batch fits into memory, and its second derivatives are proven, since the start of the fit.
        known: dict[str, Any] = {"memory": None, "group": _all_ranks()}
        H = hessian(loss, loss.params, batch, verify=False, **known)
        raw = self._sharpness(H)
        values = {"sharpness_raw": float(raw.values[0])}
        if optimizer is None or weights is None:
            return values
        A = H if all_ones(weights) else H.weighted(weights)
        top = raw if A is H else self._sharpness(A)
        G = gauss_newton(loss, loss.params, batch, weights=weights, **known)
        return values | {
            "sharpness": float(top.values[0]),
            **{f"sharpness_{i}": float(value) for i, value in enumerate(top.values[1:], 2)},
            "threshold": stability_threshold(optimizer),
            "gauss_newton_share": float(share_of(G, top)[0]),
            "directional_sharpness": directional_sharpness(A),
            "residual": float(top.residuals.max()),
        }

    def _sharpness(self, operator: CurvatureOperator) -> Sharpness:
        return sharpness(operator, self.k, tol=TOLERANCE)

    def _check_k(self, operator: CurvatureOperator) -> None:
        if self.k > operator.shape[0]:
            raise ValueError(f"k is {self.k}; allowed: 1 to {operator.shape[0]}, the parameters")

    def _loss_and_batch(self, net: nn.Module) -> tuple[NetworkLoss, tuple[Tensor, Tensor]]:
        p = next(net.parameters())
        y = self.y.to(p) if self.y.is_floating_point() else self.y.to(p.device)
        return network_loss(net, self.criterion), (self.x.to(p), y)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.values = list(state_dict["steps"]), list(state_dict["values"])
        self.resumed(self.steps)


@contextmanager
def finite_at(step: int) -> Iterator[None]:
    """Raise NonFiniteError with the step in the place of a ValueError about NaN or Inf."""
    try:
        yield
    except ValueError as error:
        if "NaN or Inf" not in str(error):
            raise
        raise NonFiniteError(f"{error} at step {step}") from None


def known_optimizer(trainer: pl.Trainer, net: nn.Module) -> Optimizer | None:
    """The SGD, Adam or AdamW of the trainer that trains every parameter of `net`; None if there is none."""
    own = {id(p) for p in net.parameters() if p.requires_grad}
    for optimizer in trainer.optimizers:
        trains = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if isinstance(optimizer, SGD | Adam | AdamW) and own <= trains:
            return optimizer
    return None


def _all_ranks() -> dist.ProcessGroup | None:
    return dist.group.WORLD if dist.is_available() and dist.is_initialized() else None
