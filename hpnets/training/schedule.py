"""The schedule of a callback that measures: at the start, whenever a step of the schedule is passed, and at the end."""

import warnings
from abc import abstractmethod
from typing import Any, Literal

import lightning.pytorch as pl

from hpnets.training.errors import NonFiniteError
from hpnets.validate import require

Every = int | Literal["epoch", "log"]


def check_every(every: Every) -> Every:
    """Return `every` if it is an int >= 1, "epoch" or "log"; else raise ValueError."""
    number = isinstance(every, int) and not isinstance(every, bool) and every >= 1
    require(number or every in ("epoch", "log"), "every", every, "an integer >= 1 (steps), 'epoch' or 'log'")
    return every


def is_due(every: Every, since: int, step: int) -> bool:
    """Whether a step of the schedule lies in (since, step]; "log" is 1, 2, 3, then four steps to each doubling.

    An interval is tested, since a step may be passed without being seen: two optimisers take two steps a batch.
    """
    if every == "epoch":
        return False
    if every == "log":
        return any(since < due for due in _log_steps(step))
    return step // every > since // every


def _log_steps(limit: int) -> set[int]:
    steps, exponent = {1, 2, 3} & set(range(limit + 1)), 8
    while round(2 ** (exponent / 4)) <= limit:
        steps.add(round(2 ** (exponent / 4)))
        exponent += 1
    return steps


class Scheduled(pl.Callback):
    """Calls `measure` at the start of a fit, when `every` is due, and at its end, however it ends; once a step at most.

    A resumed fit goes on with the measurements in its checkpoint: the subclass calls `resumed` in `load_state_dict`.
    Every other fit calls `begin` first, whatever was measured before.

    An exception in a training step also ends a fit: on one process (other ranks could not take part) the weights of the
    last whole step are measured. They are not measured after a NonFiniteError, in validation (the network is in eval
    mode), and if somebody stops the process and waits for its end.
    """

    def __init__(self, every: Every) -> None:
        self.every = check_every(every)
        self._measured: int | None = None  # the last step of this fit, or of the one that it resumes
        self._checked = -1  # the last step of this fit whose batch has ended; -1 before its start

    @abstractmethod
    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget earlier measurements."""

    @abstractmethod
    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure at trainer.global_step."""

    def resumed(self, steps: list[int]) -> None:
        """Go on after `steps`, the measured steps in a checkpoint."""
        self._measured = steps[-1] if steps else None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # Lightning calls this before it restores a checkpoint, so `resumed` may set _measured after it.
        self._measured, self._checked = None, -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._measured is None:
            self.begin(trainer, pl_module)
            self._measure_once(trainer, pl_module)
        self._checked = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        due, self._checked = is_due(self.every, self._checked, trainer.global_step), trainer.global_step
        if due:
            self._measure_once(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # The last measurement must come before the checkpoint of the last epoch is saved.
        if self.every == "epoch" or _is_last_epoch(trainer):
            self._measure_once(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._measure_once(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        stopped = isinstance(exception, NonFiniteError) or not isinstance(exception, Exception)
        if stopped or not trainer.training or trainer.world_size > 1 or self._checked != trainer.global_step:
            return
        try:
            self._measure_once(trainer, pl_module)
        except Exception as error:  # the exception that ended the fit must stay the one that is raised
            warnings.warn(f"the last step is not measured: {error}", stacklevel=2)

    def _measure_once(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._measured != trainer.global_step:
            self._measured = trainer.global_step  # set first, so that a failed measurement is not tried again
            self.measure(trainer, pl_module)


def _is_last_epoch(trainer: pl.Trainer) -> bool:
    stopped = trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step
    return stopped or trainer.current_epoch + 1 == trainer.max_epochs
