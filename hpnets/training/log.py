"""Logging at the step that the weights have reached."""

import lightning.pytorch as pl
from torch import Tensor

from hpnets.training.wandb_log import WandbLog


def log_now(trainer: pl.Trainer, metrics: dict[str, float], spectrum: Tensor | None = None) -> None:
    """Hand metrics to every logger at trainer.global_step, and a measured spectrum (rows,) with them to wandb.

    LightningModule.log, by contrast, writes validation metrics one step early (the counter moves on only after
    validation), and metrics of an epoch after the checkpoint of that epoch, so that a resumed run would miss them.
    """
    for logger in trainer.loggers:
        if isinstance(logger, WandbLog):
            logger.log_metrics(metrics, trainer.global_step, spectrum)
        else:
            logger.log_metrics(metrics, step=trainer.global_step)
