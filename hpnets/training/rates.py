"""Learning rates while a network trains: the optimiser with its schedule, the rate that is logged, the run's length."""

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hpnets.options import OptimOptions
from hpnets.schedules import changes_rates, check_total, needs_total, rate_factor
from hpnets.tasks import Task
from hpnets.training.log import log_now


def scheduled(
    module: pl.LightningModule, task: Task, optimizer: Optimizer, optim: OptimOptions
) -> OptimizerLRScheduler:
    """The optimiser, with the schedule of `optim`, if rates change; a factor multiplies the rate of each group.

    Steps are the optimiser's. The state of the schedule, which is part of checkpoints, holds the `total_steps`.
    Raises ValueError if the run that the trainer plans is too short for it, or has no end.
    """
    if not changes_rates(optim):
        return optimizer
    total = _total_steps(module.trainer, task)
    check_total(optim, total)
    scheduler = LambdaLR(optimizer, lambda step: rate_factor(optim, step, total))
    scheduler.total_steps = total  # type: ignore[attr-defined]
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _total_steps(trainer: pl.Trainer, task: Task) -> float:
    """The steps of a fit that is about to start."""
    if getattr(trainer, "datamodule", None) is task:
        # Lightning's own number makes it ask for the loader of training before it knows where a resumed fit stands.
        return planned_steps(trainer, len(task.train_dataloader()))
    return trainer.estimated_stepping_batches


def learning_rate(trainer: pl.Trainer, lr: float) -> float:
    """`lr` times the factor of the schedule at this step, which is that of every group."""
    group = trainer.optimizers[0].param_groups[0]
    return lr * (group["lr"] / group.get("initial_lr", group["lr"]))


def log_rate(module: pl.LightningModule, lr: float) -> None:
    """Log `learning_rate` as "lr" in the rows that Lightning logs a training step in."""
    trainer = module.trainer
    every = trainer.log_every_n_steps  # type: ignore[attr-defined]
    if every and (module.global_step + 1) % every == 0:
        log_now(trainer, {"lr": learning_rate(trainer, lr)})


def planned_steps(trainer: pl.Trainer, batches: int) -> float:
    """`estimated_stepping_batches` of a fit with so many batches an epoch, before there is a fit."""
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    epochs, most = trainer.max_epochs, math.inf if trainer.max_steps == -1 else trainer.max_steps
    if epochs is None or epochs == -1:
        return most
    return min(math.ceil(batches / trainer.accumulate_grad_batches) * epochs, most)


def check_same_total(path: Path, optim: OptimOptions, saved: dict[str, Any], total: float) -> None:
    """Raise ValueError if a run of `total` steps goes on from a checkpoint whose schedule is of another total."""
    before = next((state.get("total_steps", total) for state in saved["lr_schedulers"]), total)
    if needs_total(optim) and before != total:
        raise ValueError(
            f"{path}: the run is to take {total} steps and was to take {before}, over which the schedule "
            f"{optim.schedule!r} spreads; allowed: {before} (a run with schedule constant, and a warmup in steps, may "
            "be prolonged)"
        )
