"""Rows of an array in memory as a Dataset, and the seeded choices of rows that tasks are made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """The rows `indices` of a source data set x (N, *input_shape), y (N, ...), normalised when they are read.

    x stays in its raw type (uint8 for images). A sample is ((x - mean) / std in float32, y), with mean and std per
    channel in raw units, as torchvision.transforms.v2.Normalize takes them; without them it is (x in float32, y).
    """

    def __init__(self, x: Tensor, y: Tensor, indices: Tensor, preprocessing: Mapping[str, list[float]]) -> None:
        assert len(x) == len(y)
        self.x, self.y, self.indices = x, y, indices
        per_channel = (-1, *(1 for _ in x.shape[2:]))
        self.mean = torch.tensor(preprocessing.get("mean", [0.0])).view(per_channel)
        self.std = torch.tensor(preprocessing.get("std", [1.0])).view(per_channel)

    @property
    def labels(self) -> Tensor:
        """The y of all rows held here, (len(self), ...)."""
        return self.y[self.indices]

    def batch(self, rows: Tensor | Sequence[int]) -> tuple[Tensor, Tensor]:
        """x (n, *input_shape) and y (n, ...) of n rows, numbered from 0 to len(self) - 1."""
        source = self.indices[torch.as_tensor(rows)]
        return (self.x[source].float() - self.mean) / self.std, self.y[source]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        x, y = self.batch([row])
        return x[0], y[0]

    def __getitems__(self, rows: list[int]) -> list[tuple[Tensor, Tensor]]:
        """The DataLoader's fetch of a whole batch: one normalisation instead of one per image."""
        x, y = self.batch(rows)
        return list(zip(x.unbind(), y.unbind(), strict=True))


class Splits(NamedTuple):
    """The three data sets of a task."""

    train: Samples
    val: Samples
    test: Samples


def splits_of(train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Splits:
    """Splits of a drawn data set: the (x, y) float64 of the three parts, numbered one after the other, in float32.

    Labels y, which are integers, stay as they are.
    """
    parts = (train, val, test)
    x = torch.cat([x for x, _ in parts]).float()
    y = torch.cat([y for _, y in parts])
    y = y.float() if y.is_floating_point() else y
    rows = torch.arange(len(x)).split([len(x) for x, _ in parts])
    return Splits(*(Samples(x, y, indices, {}) for indices in rows))


def stratified_split(labels: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ascending rows (kept, held out), `size` held out, each class within one row of its proportional share.

    Systematic sampling: shuffle, sort by class, and hold out rows at the even spacing len(labels) / size.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[by_class[(2 * torch.arange(size) + 1) * len(labels) // (2 * size)]] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def balanced_rows(labels: Tensor, n: int, classes: int, generator: torch.Generator) -> Tensor:
    """n rows with class counts that differ by at most 1, in order of class and then of row, shape (n,).

    The classes take turns in giving a random row, so that a smaller n chooses a subset of the rows of a larger one.
    Raises ValueError if a class has too few rows for that.
    """
    sizes = labels.bincount(minlength=classes)
    limit = int(sizes.clamp(max=int(sizes.min()) + 1).sum())
    if n > limit:
        short = int(sizes.argmin())
        raise ValueError(f"n is {n}; allowed: at most {limit}, as class {short} has only {int(sizes[short])} samples")
    shuffled = torch.randperm(len(labels), generator=generator)
    turn = torch.empty_like(labels)
    for c in range(classes):
        members = shuffled[labels[shuffled] == c]
        turn[members] = torch.arange(len(members))
    chosen = (turn * classes + labels).argsort()[:n].sort().values
    return chosen[labels[chosen].argsort(stable=True)]
