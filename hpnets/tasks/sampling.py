"""The order of the training samples, which may begin in the midst of an epoch."""

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any

from lightning.pytorch import Trainer
from torch.utils.data import DistributedSampler


class TrainSampler(DistributedSampler[Any]):
    """A DistributedSampler whose next iteration leaves out the first `skip` rows.

    With `repeats` > 1 each whole batch of `rows` comes so many times, one after another, and the rest is left out.
    """

    skip, rows, repeats = 0, 1, 1

    def __iter__(self) -> Iterator[Any]:
        skip, self.skip = self.skip, 0
        order = super().__iter__()
        return islice(order if self.repeats == 1 else self._repeated(order), skip, None)

    def __len__(self) -> int:
        length = super().__len__()
        return length if self.repeats == 1 else self.repeats * (length - length % self.rows)

    def _repeated(self, order: Iterator[Any]) -> Iterator[Any]:
        while len(batch := list(islice(order, self.rows))) == self.rows:
            yield from chain.from_iterable(repeat(batch, self.repeats))

    def resume(self, trainer: Trainer, rows: int) -> None:
        """Begin where a resumed `trainer` stands: in its epoch, after the batches, of `rows` each, that were done."""
        epoch, loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
        self.set_epoch(epoch.processed)  # type: ignore[attr-defined]
        if loop.restarting and epoch.started > epoch.processed:  # type: ignore[attr-defined]
            self.skip = rows * loop.batch_progress.current.processed  # type: ignore[attr-defined]
