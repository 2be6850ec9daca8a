"""Rows of an array as a Dataset, and the seeded choices of rows that tasks are made of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Rows(Protocol):
    """What is read by row: a tensor (N, ...) in memory, or pictures that are decoded as they are read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Tensor: ...


class Batch(Sequence[tuple[Tensor, Tensor]]):
    """Samples x[i], y[i] that lie together as x (n, *input_shape), y (n, ...), so that nobody need stack them."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        assert len(x) == len(y)
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: Any) -> Any:
        return self.x[i], self.y[i]


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """The rows `indices` of a source data set x (N, *input_shape), y (N, ...), normalised when they are read.

    x stays in its raw type (uint8 for images). A sample is ((x - mean) / std in float32, y), with mean and std per
    channel in raw units, as torchvision.transforms.v2.Normalize takes them; without them it is (x in float32, y).
    """

    def __init__(self, x: Rows, y: Tensor, indices: Tensor, preprocessing: Mapping[str, list[float]]) -> None:
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
        x, y = self.raw(rows)
        return self.normalised(x), y

    def raw(self, rows: Tensor | Sequence[int]) -> tuple[Tensor, Tensor]:
        """`batch` in raw units and x's own type."""
        source = self.indices[torch.as_tensor(rows)]
        return self.x[source], self.y[source]

    def normalised(self, x: Tensor) -> Tensor:
        """x (n, *input_shape) of raw units as `batch` gives it."""
        return (x.float() - self.mean) / self.std

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        x, y = self.batch([row])
        return x[0], y[0]

    def __getitems__(self, rows: list[int]) -> "Batch":
        """The DataLoader's fetch of a whole batch: one normalisation instead of one per image."""
        return Batch(*self.batch(rows))


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
