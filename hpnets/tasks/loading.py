"""How batches are dealt to ranks: the union over ranks does not depend on their number."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from hpnets.tasks.augment import Augmented, Draws
from hpnets.tasks.samples import Batch, Samples
from hpnets.tasks.sampling import TrainSampler

Loader = DataLoader[tuple[Tensor, Tensor]]


def _loader(samples: Samples | Augmented, num_workers: int, **batching: Any) -> Loader:
    # A loader without its own generator draws from the global one whenever it is iterated, so that an evaluation
    # in the middle of a run would change the dropout masks after it.
    generator = torch.Generator().manual_seed(0)
    return DataLoader(
        samples,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        generator=generator,
        collate_fn=collate,
        **batching,
    )


def collate(samples: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """[x, y] of a batch as the DataLoader makes it, with nothing copied where the samples lie together already."""
    return [samples.x, samples.y] if isinstance(samples, Batch) else default_collate(list(samples))


def train_loader(
    samples: Samples | Augmented, batch: int, world: int, rank: int, seed: int, num_workers: int, repeats: int = 1
) -> Loader:
    """Shuffled batches of batch / world samples; over all ranks, batch k holds what one process has in batch k.

    Rank r takes the positions r, r + world, ... of one permutation, which depends on seed and set_epoch alone.
    Each batch comes `repeats` times, one after another.
    """
    deal = Draws if isinstance(samples, Augmented) else TrainSampler
    sampler = deal(samples, world, rank, shuffle=True, seed=seed, drop_last=True)
    sampler.rows, sampler.repeats = batch // world, repeats
    return _loader(samples, num_workers, batch_size=batch // world, sampler=sampler, drop_last=True)


def eval_loader(samples: Samples, batch: int, world: int, rank: int, num_workers: int) -> Loader:
    """The samples of this rank in order, in the batches of `eval_batches`."""
    batches = eval_batches(len(samples), batch // world, world, rank)
    return _loader(samples, num_workers, batch_sampler=batches)


def eval_batches(n: int, size: int, world: int, rank: int) -> list[list[int]]:
    """The rows rank, rank + world, ... below n, in nearly equal batches of about `size`, as many on every rank.

    Each row comes once; DistributedSampler repeats rows to even the ranks out, which falsifies means.
    No batch exceeds `size`, except if size = 1 and world does not divide n: then some rank has one batch of 2 rows.
    Raises ValueError if n < world, since a rank without rows could not take part.
    """
    if n < world:
        raise ValueError(f"devices is {world} in all; allowed: at most {n}, the evaluation samples that ranks share")
    largest, smallest = -(-n // world), n // world
    rows = torch.arange(rank, n, world)
    return [part.tolist() for part in rows.tensor_split(min(-(-largest // size), smallest))]
