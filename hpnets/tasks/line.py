"""Regression of a named function on an interval (or box), tested on the extrapolation region around it."""

from typing import Annotated

import torch
from torch import Tensor

from hpnets.option_sets import Option
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import RegressionTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed, TestSize, TrainSize
from hpnets.tasks.samples import Splits, splits_of
from hpnets.tasks.targets import TARGETS, Interval
from hpnets.validate import at_least, finite, one_of, require

# Below this ratio of the widths too few of the drawn test points lie outside the training box.
MIN_WIDTH_RATIO = 1.1
Range = tuple[float, float] | None


@register_task("line")
class LineTask(RegressionTask):
    """y = target(x) for x uniform in a box of R^input_dim; `hpnets.tasks.targets` has the formulas.

    train and val: points of the box train_range^input_dim; test: points of test_range^input_dim outside it. Only the
    training y have noise.
    Source: the 1-D experiments of "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product".
    """

    def __init__(
        self,
        target: Annotated[str, Option("the function, one of those in hpnets/tasks/targets.py")] = "cubic",
        input_dim: Annotated[int, Option("dimension of x")] = 1,
        train_size: TrainSize = 2048,
        test_size: TestSize = 512,
        noise: Annotated[float, Option("standard deviation of Gaussian noise on the training y")] = 0.0,
        train_range: Annotated[Range, Option("low and high of each coordinate; null is the target's")] = None,
        test_range: Annotated[Range, Option("the same of the test, outside the training box")] = None,
        batch_size: BatchSize = 512,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.target = one_of("target", target, TARGETS)
        self.train_size = at_least("train_size", train_size, 1)
        self.test_size = at_least("test_size", test_size, 1)
        self.noise = finite("noise", noise, 0)
        self.train_range = _interval("train_range", train_range or TARGETS[target].train_range)
        self.test_range = _wider(_interval("test_range", test_range or TARGETS[target].test_range), self.train_range)
        self.input_shape = (_dimension(target, input_dim),)
        self.output_dim = TARGETS[target].output_dim

    def splits(self) -> Splits:
        """Draw the points; train comes last, so that val and test do not change with train_size."""
        g = torch.Generator().manual_seed(self.seed)
        test = self._draw_outside(self.test_size, g)
        val = self._draw(self.test_size, self.train_range, g)
        train = self._draw(self.train_size, self.train_range, g)
        function = TARGETS[self.target].function
        y = function(train)
        noisy = y + self.noise * torch.randn(y.shape, generator=g, dtype=y.dtype)
        return splits_of((train, noisy), (val, function(val)), (test, function(test)))

    def _draw(self, n: int, interval: Interval, generator: torch.Generator) -> Tensor:
        low, high = interval
        unit = torch.rand(n, *self.input_shape, generator=generator, dtype=torch.float64)
        return low + (high - low) * unit

    def _draw_outside(self, n: int, generator: torch.Generator) -> Tensor:
        """Points of the test box outside the training box, by rejection."""
        low, high = self.train_range
        kept = torch.empty(0, *self.input_shape, dtype=torch.float64)
        while len(kept) < n:
            x = self._draw(n, self.test_range, generator)
            kept = torch.cat([kept, x[((x < low) | (x > high)).any(1)]])
        return kept[:n]


def _dimension(target: str, input_dim: int) -> int:
    if TARGETS[target].only_1d and input_dim != 1:
        anywhere = ", ".join(name for name, entry in TARGETS.items() if not entry.only_1d)
        raise ValueError(f"input_dim is {input_dim!r}; allowed: 1 for target {target!r}, any for {anywhere}")
    return at_least("input_dim", input_dim, 1)


def _interval(name: str, interval: Interval) -> Interval:
    ordered = len(interval) == 2 and finite(name, interval[0]) < finite(name, interval[1])
    require(ordered, name, interval, "two numbers, low < high")
    return float(interval[0]), float(interval[1])


def _wider(outer: Interval, inner: Interval) -> Interval:
    ratio = (outer[1] - outer[0]) / (inner[1] - inner[0])
    wider = outer[0] <= inner[0] and outer[1] >= inner[1] and ratio >= MIN_WIDTH_RATIO
    intervals = f"intervals that contain train_range, {inner!r}, and are at least {MIN_WIDTH_RATIO} times as wide"
    require(wider, "test_range", outer, intervals)
    return outer
