"""Two classes of a task of images, by names such as "fashion_mnist 2-4", as balanced random samples."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from hpnets.attacks import Box
from hpnets.papers.seeds import seed_for
from hpnets.tasks import create_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.samples import Samples


class Part(NamedTuple):
    """Standardised images (N, C, H, W) float64, and labels (N,), 0 for the first class and 1 for the second."""

    x: Tensor
    y: Tensor

    @property
    def targets(self) -> Tensor:
        """-1 and +1, (N, 1) float64."""
        return 2.0 * self.y[:, None].double() - 1


class Pair(NamedTuple):
    """Training, validation and test samples, and the least and greatest pixels."""

    train: Part
    validation: Part
    test: Part
    box: Box


def pair_of(data: str, train: int, test: int, seed: int, device: str = "cpu") -> Pair:
    """Half of the samples of each class, drawn with the seed; validation has as many as the test."""
    name, _, classes = data.partition(" ")
    task, pair = _task(name), [int(c) for c in classes.split("-")]
    sizes = {"train": train, "val": test, "test": test}
    sets = {"train": task.train_set, "val": task.val_set, "test": task.test_set}
    parts = [_drawn(sets[key], pair, n, seed_for(key, seed), device) for key, n in sizes.items()]
    return Pair(*parts, (task.box[0].to(device), task.box[1].to(device)))


@cache
def _task(name: str) -> ClassificationTask:
    task = create_task(name)
    if not isinstance(task, ClassificationTask) or len(task.input_shape) != 3:
        raise ValueError(f"data is {name!r}; allowed: pairs of digits, fashion_mnist, mnist, cifar10")
    task.setup()
    return task


def _drawn(samples: Samples, pair: list[int], n: int, seed: int, device: str) -> Part:
    g, labels, rows = torch.Generator().manual_seed(seed), samples.labels, []
    for c in pair:
        own = (labels == c).nonzero().flatten()
        rows.append(own[torch.randperm(len(own), generator=g)[: n // 2]])
    x, y = samples.batch(torch.cat(rows))
    return Part(x.double().to(device), (y == pair[1]).long().to(device))
