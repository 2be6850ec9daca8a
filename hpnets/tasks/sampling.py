"""The order of the training samples, which may begin in the midst of an epoch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from lightning.pytorch import Trainer
from torch.utils.data import DistributedSampler


class TrainSampler(DistributedSampler[Any]):
    """The shuffled rows of a rank, as many on each; the first `skip` rows of the next iteration are left out."""

    def __init__(self, samples: Any, world: int, rank: int, seed: int) -> None:
        super().__init__(samples, world, rank, shuffle=True, seed=seed, drop_last=True)
        self.skip = 0

    def __iter__(self) -> Iterator[Any]:
        skip, self.skip = self.skip, 0
        return islice(super().__iter__(), skip, None)

    def resume(self, trainer: Trainer, rows: int) -> None:
        """Begin where a resumed `trainer` stands: in its epoch, after the batches, of `rows` each, that were done."""
        epoch, loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
        self.set_epoch(epoch.processed)  # type: ignore[attr-defined]
        if loop.restarting and epoch.started > epoch.processed:  # type: ignore[attr-defined]
            self.skip = rows * loop.batch_progress.current.processed  # type: ignore[attr-defined]
