"""LitModel is the one thin LightningModule between a network and a task."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import MeanMetric

from hpnets.models import parameter_groups
from hpnets.optimisers import OPTIMISERS
from hpnets.options import AdversarialOptions, OptimOptions
from hpnets.tasks.base import SupervisedTask
from hpnets.training.adversary import make_adversary
from hpnets.training.average import averaged, deployed_copy
from hpnets.training.errors import NonFiniteError
from hpnets.training.log import log_now
from hpnets.training.rates import log_rate, scheduled
from hpnets.training.soft_labels import check_soft_labels, soft_batch

Batch = tuple[Tensor, Tensor]


def make_optimizer(net: nn.Module, optim: OptimOptions) -> torch.optim.Optimizer:
    """The optimiser that `optim` describes, at the rates that the parametrisation of `net` gives its parameters.

    Raises ValueError for weight decay that the parametrisation cannot keep.
    """
    groups = parameter_groups(net, optim.name, optim.lr, optim.weight_decay)
    return OPTIMISERS.get(optim.name).make(groups, optim)


def check_loss(module: pl.LightningModule, loss: Tensor) -> Tensor:
    """The mean of a loss over the ranks; raises NonFiniteError, on every rank at once, if it is NaN or Inf."""
    mean = module.trainer.strategy.reduce(loss.detach(), reduce_op="mean")
    if not torch.isfinite(mean):
        raise NonFiniteError(f"the loss is {float(mean)} at step {module.global_step}")
    return mean


def check_weights(module: pl.LightningModule) -> None:
    """Raise NonFiniteError, which names the weights, if some hold NaN or Inf."""
    bad = [name.removeprefix("net.") for name, p in module.named_parameters() if not torch.isfinite(p).all()]
    if bad:
        raise NonFiniteError(f"the weights {', '.join(bad)} hold NaN or Inf at step {module.global_step}")


def log_validation(module: pl.LightningModule, values: dict[str, float]) -> None:
    """Log the results of a validation epoch at the step that the weights have reached."""
    module.log_dict(values, logger=False)
    log_now(module.trainer, values)


class LitModel(pl.LightningModule):
    """Trains `net` on the loss and metrics of `task`, as `optim` says.

    It logs train/loss, and lr, the rate of the step from there, at step s for the weights after s steps, and val/loss
    and the task's metrics as val/<name> after each epoch, at the step that the weights have reached. It raises
    NonFiniteError if a step's loss or the weights at the end of an epoch are NaN or Inf, on every rank at once and
    before anything is saved. `average` holds the mean of the weights, which is validated, if optim.ema is not 0.

    With adversarial.eps batches are attacked, as adversarial.mix says, after the network of that step; the share of
    validation samples that withstand the attack is val/robust_accuracy.

    Training steps go through `through`, if it is given: `net`, compiled.

    Raises ValueError for optim.mixup, optim.label_smoothing or adversarial.eps with a task that has no classes.
    """

    def __init__(
        self,
        net: nn.Module,
        task: SupervisedTask,
        optim: OptimOptions | None = None,
        adversarial: AdversarialOptions | None = None,
    ) -> None:
        super().__init__()
        self.net, self.task, self.optim = net, task, optim or OptimOptions()
        check_soft_labels(task, self.optim)
        adversarial = adversarial or AdversarialOptions()
        self.adversary = make_adversary(task, adversarial)
        task.repeats = 2 if adversarial.mix == "both" else 1
        self.save_hyperparameters({"optim": asdict(self.optim), "adversarial": asdict(adversarial)})
        self.through: Callable[[Tensor], Tensor] | None = None
        self.average = averaged(net, self.optim.ema) if self.optim.ema else None
        self.val_metrics = task.metrics().clone(prefix="val/")
        self.val_loss = MeanMetric()
        self.robust = MeanMetric()

    def deployed(self) -> nn.Module:
        """The network that a run publishes: the trained one itself, or a copy of the averaged one."""
        return self.net if self.average is None else deployed_copy(self.average.module, self.net)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, targets = soft_batch(self, self.task, self.optim, batch, batch_idx // self.task.repeats)
        if self.adversary is not None and self.adversary.is_due(batch_idx):
            x = self.adversary.perturbed(self.net, x, targets, self.current_epoch, batch_idx)
        loss = self.task.loss((self.through or self.net)(x), targets)
        self.log("train/loss", check_loss(self, loss), prog_bar=True)
        log_rate(self, self.optim.lr)
        return loss

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        self.clip_gradients(optimizer, self.optim.clip or gradient_clip_val, gradient_clip_algorithm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        # Here, not where a batch ends: callbacks that save a checkpoint there come before the module.
        if self.average is not None:
            self.average.update_parameters(self.net)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        net = self.net if self.average is None else self.average
        outputs = net(x)
        self.val_loss.update(self.task.loss(outputs, y), weight=len(x))
        self.val_metrics.update(outputs, y)
        if self.adversary is not None:
            self.robust.update((~self.adversary.misclassified(net, x, y)).float())

    def on_validation_epoch_end(self) -> None:
        values = {"val/loss": self.val_loss.compute(), **self.val_metrics.compute()}
        if self.adversary is not None:
            values["val/robust_accuracy"] = self.robust.compute()
        for metric in (self.val_loss, self.val_metrics, self.robust):
            metric.reset()
        log_validation(self, {name: float(value) for name, value in values.items()})

    def on_train_epoch_end(self) -> None:
        check_weights(self)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return scheduled(self, self.task, make_optimizer(self.net, self.optim), self.optim)
