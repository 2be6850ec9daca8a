"""When a callback measures: at the start, each time that a step of its schedule is passed, and at the end."""

import warnings
from abc import abstractmethod
from typing import Any, Literal

import lightning.pytorch as pl

from hpnets.training.errors import NonFiniteError
from hpnets.validate import require

Every = int | Literal["epoch", "log"]


def check_every(every: Every) -> Every:
    """`every`, if it is an int >= 1, "epoch" or "log"; else ValueError."""
    number = isinstance(every, int) and not isinstance(every, bool) and every >= 1
    require(number or every in ("epoch", "log"), "every", every, "an integer >= 1 (steps), 'epoch' or 'log'")
    return every


def is_due(every: Every, since: int, step: int) -> bool:
    """Whether a step of the schedule lies in (since, step]; "log" is 1, 2, 3, then four steps to each doubling.

    A step may be passed without being met: two optimisers take two steps a batch.
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

    A fit that is resumed goes on with what its checkpoint holds, which the subclass names in `load_state_dict` by
    `resumed`; every other fit calls `begin` first, whatever was measured before.

    An exception in a training step ends a fit too: the weights of the last whole step are measured, on one process
    (others could not take part). They are not after a NonFiniteError, in validation (the network is in eval mode), and
    where somebody stops the process and waits for its end.
    """

    def __init__(self, every: Every) -> None:
        self.every = check_every(every)
        self._measured: int | None = None  # the last step of this fit, or of the one that it resumes
        self._checked = -1  # the last step of this fit whose batch has ended; -1 before its start

    @abstractmethod
    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget what was measured."""

    @abstractmethod
    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure at trainer.global_step."""

    def resumed(self, steps: list[int]) -> None:
        """Go on after these steps, which a checkpoint holds."""
        self._measured = steps[-1] if steps else None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # It comes before a checkpoint is restored: what `resumed` says after it is of this fit.
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
        # The last measurement is due before the checkpoint of the last epoch is saved.
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
        except Exception as error:  # the one that ended the fit is the one to be seen
            warnings.warn(f"the last step is not measured: {error}", stacklevel=2)

    def _measure_once(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._measured != trainer.global_step:
            self._measured = trainer.global_step  # before it is done: what fails is not tried again
            self.measure(trainer, pl_module)


def _is_last_epoch(trainer: pl.Trainer) -> bool:
    stopped = trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step
    return stopped or trainer.current_epoch + 1 == trainer.max_epochs
