"""How long an epoch and a run are."""

import math
import time
from typing import Any

import lightning.pytorch as pl

from hpnets.options import TrainerOptions
from hpnets.options.intervals import epochs, seconds
from hpnets.validate import require


def epoch_batches(options: TrainerOptions, batches: int) -> int:
    """The batches of an epoch, a multiple of those of a step, where the loader has `batches`.

    Raises ValueError for a limit or a step that the loader's batches do not fill.
    """
    limit, each = options.limit_train_batches, options.accumulate_grad_batches
    share = isinstance(limit, float)
    require(share or limit <= batches, "trainer.limit_train_batches", limit, f"at most {batches}, those of an epoch")
    within = max(1, int(limit * batches)) if share else int(limit)
    require(each <= within, "trainer.accumulate_grad_batches", each, f"at most {within}, the batches of an epoch")
    return within // each * each


def validation(options: TrainerOptions) -> dict[str, Any]:
    """The Trainer's arguments for `val_every`; Lightning counts batches."""
    if isinstance(options.val_every, int):
        batches = options.val_every * options.accumulate_grad_batches
        return {"check_val_every_n_epoch": None, "val_check_interval": batches}
    return {"check_val_every_n_epoch": epochs(options.val_every)}


class Ending(pl.Callback):
    """Ends a fit after `max_steps`, or at the end of the step in which `max_time` is over, the last weights validated.

    The time counts from the start of the first fit, without the time between fits. last_step: end there at the
    latest.
    """

    def __init__(self, options: TrainerOptions, last_step: int | None = None) -> None:
        limits = (options.max_steps if options.max_steps > 0 else math.inf, last_step or math.inf)
        self.max_steps = min(limits)
        self.seconds = seconds(options.max_time) or math.inf
        self._began, self._before = time.monotonic(), 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.monotonic()
        trainer.should_stop = self._over(trainer)
        self._validate_last_epoch(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validate_last_epoch(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        progress = trainer.fit_loop.epoch_loop.batch_progress
        if progress.current.ready % trainer.accumulate_grad_batches:
            return
        # Where validation follows the steps, Lightning would leave out the last weights, except if the fit is stopped.
        last = trainer.check_val_every_n_epoch is None and _is_last(trainer) and progress.is_last_batch
        if last or self._over(trainer):
            trainer.should_stop = True
            if trainer.check_val_every_n_epoch is not None:
                trainer.check_val_every_n_epoch = 1

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self._elapsed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]

    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._began

    def _over(self, trainer: pl.Trainer) -> bool:
        if self.seconds == math.inf:
            return trainer.global_step >= self.max_steps
        # The ranks have clocks of their own, and must end together.
        return trainer.strategy.broadcast(trainer.global_step >= self.max_steps or self._elapsed() >= self.seconds)

    @staticmethod
    def _validate_last_epoch(trainer: pl.Trainer) -> None:
        if trainer.check_val_every_n_epoch is not None and _is_last(trainer):
            trainer.check_val_every_n_epoch = 1


def _is_last(trainer: pl.Trainer) -> bool:
    return trainer.current_epoch + 1 == trainer.max_epochs
