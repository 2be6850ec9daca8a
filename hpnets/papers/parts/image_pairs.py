"""Two classes of images, told apart: balanced samples of a task, drawn by seed."""

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.papers.parts.seeds import seed_for
from hpnets.tasks import create_task
from hpnets.tasks.samples import Samples


class Part(NamedTuple):
    """Images (n, C, H, W) float32, normalised as the task does, and labels (n,), 0 for the first class, else 1.

    y: the labels as targets -1 and 1, (n, 1).
    """

    x: Tensor
    labels: Tensor

    @property
    def y(self) -> Tensor:
        return (2.0 * self.labels - 1)[:, None]


def image_pair(pair: str, sizes: tuple[int, int, int], seed: int, side: int = 0) -> tuple[Part, Part, Part]:
    """Training, validation and test images of a pair such as "fashion_mnist 2-4", half of each class, shuffled.

    sizes: how many there are of each, cut to what the task has. side: the images' height and width, to which they are
    averaged; 0 keeps theirs. Raises ValueError for a pair that names no task and two classes.
    """
    name, _, classes = pair.partition(" ")
    first, _, second = classes.partition("-")
    if not (first.isdigit() and second.isdigit() and first != second):
        raise ValueError(f"pair is {pair!r}; allowed: a task and two of its classes, such as 'digits 3-8'")
    generator = torch.Generator().manual_seed(seed_for(f"images {pair}", seed))
    parts = zip(_splits(name), sizes, strict=True)
    return tuple(_part(s, (int(first), int(second)), n, side, generator) for s, n in parts)  # type: ignore[return-value]


@cache
def _splits(name: str) -> tuple[Samples, Samples, Samples]:
    task = create_task(name)
    task.setup()
    return task.train_set, task.val_set, task.test_set


def _part(samples: Samples, classes: tuple[int, int], size: int, side: int, generator: torch.Generator) -> Part:
    rows = [torch.nonzero(samples.labels == c)[:, 0] for c in classes]
    n = min(size // 2, *map(len, rows))
    chosen = torch.cat([r[torch.randperm(len(r), generator=generator)[:n]] for r in rows])
    mixed = chosen[torch.randperm(2 * n, generator=generator)]
    x, labels = samples.batch(mixed)
    return Part(F.adaptive_avg_pool2d(x, side) if side else x, (labels == classes[1]).long())
