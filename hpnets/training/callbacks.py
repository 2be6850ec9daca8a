"""Small callbacks of every run: seeds, options in checkpoints, and a picture for each epoch."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_only

from hpnets.atomic_files import write_png
from hpnets.options import RunOptions
from hpnets.tasks import Task
from hpnets.training.evaluation import predictor
from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN
from hpnets.training.measured_network import eval_mode
from hpnets.training.wandb_log import WandbLog


class SeedEpochs(pl.Callback):
    """Seeds torch at the start of each epoch from (seed, epoch, rank), so that a resumed epoch draws what it drew."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        torch.manual_seed((self.seed * 1_000_003 + trainer.current_epoch) * 1_009 + trainer.global_rank)


class KeepOptions(pl.Callback):
    """Puts the run's options into every checkpoint; `read_back.check_unchanged` compares them when a run is resumed."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options.to_dict()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["options"] = self.options


class EpochPicture(pl.Callback):
    """Writes the task's picture of the network into `path`, anew after each epoch, and into wandb."""

    def __init__(self, task: Task, path: Path) -> None:
        self.task, self.path = task, path

    @rank_zero_only
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LitModel | LitGAN)
        net = pl_module.deployed()
        with eval_mode(net):
            picture = self.task.picture(predictor(net, pl_module.device))
        if picture is not None:
            write_png(self.path, picture)
            for logger in trainer.loggers:
                if isinstance(logger, WandbLog):
                    logger.log_picture(self.path, trainer.global_step)
