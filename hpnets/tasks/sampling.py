"""The order of the training samples, which may begin in the midst of an epoch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from lightning.pytorch import Trainer
from torch.utils.data import DistributedSampler


class TrainSampler(DistributedSampler[Any]):
    """A DistributedSampler whose next iteration leaves out the first `skip` rows."""

    skip = 0

    def __iter__(self) -> Iterator[Any]:
        skip, self.skip = self.skip, 0
        return islice(super().__iter__(), skip, None)

    def resume(self, trainer: Trainer, rows: int) -> None:
        """Begin where a resumed `trainer` stands: in its epoch, after the batches, of `rows` each, that were done."""
        epoch, loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
        self.set_epoch(epoch.processed)  # type: ignore[attr-defined]
        if loop.restarting and epoch.started > epoch.processed:  # type: ignore[attr-defined]
            self.skip = rows * loop.batch_progress.current.processed  # type: ignore[attr-defined]
