"""The 8x8 handwritten digits that scikit-learn brings along: the embedded default, nothing to fetch."""

import math
from functools import cache, cached_property
from typing import Any, NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from hpnets.tasks.augment import NONE, Augment, check_augment
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.samples import Samples, Splits, stratified_split

VAL_SIZE = TEST_SIZE = 300


class Table(NamedTuple):
    """All digits, and the rows of each split."""

    x: Tensor  # (1797, 1, 8, 8) uint8, 0..16
    y: Tensor  # (1797,) int64
    train: Tensor
    val: Tensor
    test: Tensor


@cache
def _read() -> tuple[Any, Any]:
    """The images (1797, 64) and labels (1797,) as numpy has them; scikit-learn parses its file at each call."""
    return load_digits(return_X_y=True)


@register_task("digits")
class DigitsTask(ClassificationTask):
    """1797 digits of 8x8 pixels in 0..16, split by class and seed into 1197 / 300 / 300 for train, val, test.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test part).
    """

    input_shape = (1, 8, 8)
    output_dim = 10
    raw_range = (0.0, 16.0)

    def __init__(
        self, batch_size: BatchSize = 64, seed: Seed = 0, num_workers: NumWorkers = 0, augment: Augment = NONE
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.augment = check_augment("augment", augment)

    @cached_property
    def _table(self) -> Table:
        x, y = (torch.tensor(part) for part in _read())
        x = x.to(torch.uint8).reshape(-1, *self.input_shape)
        generator = torch.Generator().manual_seed(self.seed)
        rest, test = stratified_split(y, TEST_SIZE, generator)
        train, val = stratified_split(y[rest], VAL_SIZE, generator)
        return Table(x, y, rest[train], rest[val], test)

    @property
    def preprocessing(self) -> dict[str, list[float]]:
        """Mean and standard deviation of the training split's pixels, so they depend on the seed."""
        # Sums of integers are exact; those of floats would depend on the number of threads.
        pixels = self._table.x[self._table.train].long()
        n, total, squares = pixels.numel(), int(pixels.sum()), int(pixels.square().sum())
        return {"mean": [total / n], "std": [math.sqrt(n * squares - total**2) / n]}

    def splits(self) -> Splits:
        """The three splits of the one table."""
        x, y, *rows = self._table
        return Splits(*(Samples(x, y, indices, self.preprocessing) for indices in rows))
