"""What a run prints: an opening line, a line an epoch, and on a terminal a bar below them."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from hpnets.options import RunOptions
from hpnets.training.dynamics import underlying
from hpnets.training.rates import learning_rate

# A line is printed after so much time without one.
LINE_SECONDS = 60.0
VALIDATION = ("val/loss", "val/accuracy", "val/robust_accuracy", "val/mse", "val/psnr", "val/frechet")
SHOWN = ("train/loss", *VALIDATION, "ntk/drift", "ntk/effective_rank")


class Lines(pl.Callback):
    """Prints an opening line, then one line an epoch; in mid-epoch also at each validation and once a minute.

    A line has what was logged last, what `optim.lr` has become, and the seconds since the line before.
    """

    def __init__(self, options: RunOptions, folder: Path) -> None:
        self.options, self.folder, self._last = options, folder, time.monotonic()

    @rank_zero_only
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        print(opening(trainer, pl_module, self.options, self.folder), flush=True)
        self._last = time.monotonic()

    @rank_zero_only
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if time.monotonic() - self._last > LINE_SECONDS:
            self._print(trainer)

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        mid_epoch = not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch and not trainer.should_stop
        if trainer.state.fn == TrainerFn.FITTING and mid_epoch:
            self._print(trainer)

    @rank_zero_only
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._print(trainer)

    def _print(self, trainer: pl.Trainer) -> None:
        before, self._last = self._last, time.monotonic()
        values: dict[str, Any] = {**trainer.callback_metrics, "lr": learning_rate(trainer, self.options.optim.lr)}
        shown = "  ".join(f"{name} {float(values[name]):.4g}" for name in (*SHOWN, "lr") if name in values)
        where = (
            f"epoch {trainer.current_epoch + 1}/{epochs_of(trainer)}  step {trainer.global_step}/{steps_of(trainer)}"
        )
        print(f"{where}  {shown}  {self._last - before:.1f} s", flush=True)


class Bar(RichProgressBar):
    """Lightning's bar, with epochs counted from 1, as the lines count them."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{epochs_of(self.trainer)}"


def opening(trainer: pl.Trainer, module: pl.LightningModule, options: RunOptions, folder: Path) -> str:
    """The line that a fit begins with: the network, how long it trains, where, and where it stands if it is resumed."""
    assert isinstance(module.net, nn.Module)
    parameters = sum(p.numel() for p in underlying(module.net).parameters())
    device = str(trainer.strategy.root_device)
    processes = "1 process" if trainer.world_size == 1 else f"{trainer.world_size} processes"
    nodes = f" on {trainer.num_nodes} nodes" if trainer.num_nodes > 1 else ""
    begun = f", resumed at step {trainer.global_step}" if trainer.global_step else ""
    return (
        f"{options.model['name']} on {options.task['name']}: {parameters:,} parameters, {steps_of(trainer)} steps, "
        f"{steps_of_epoch(trainer)} an epoch{begun}; {device}, {processes}{nodes}; {folder}"
    )


def steps_of_epoch(trainer: pl.Trainer) -> int:
    """The steps of one epoch."""
    return int(trainer.num_training_batches) // trainer.accumulate_grad_batches


def steps_of(trainer: pl.Trainer) -> int:
    """The steps of the whole run, if no time limit ends it."""
    return trainer.max_steps if trainer.max_steps > 0 else (trainer.max_epochs or 0) * steps_of_epoch(trainer)


def epochs_of(trainer: pl.Trainer) -> int:
    """The epochs of the whole run, if no time limit ends it; the last may be cut by `max_steps`."""
    return -(-steps_of(trainer) // steps_of_epoch(trainer))
