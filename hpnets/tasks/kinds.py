"""The two kinds of tasks: loss, metrics and kernel-alignment targets of classification and of regression."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MeanSquaredError, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.probe import balanced_rows


class Box(NamedTuple):
    """The least and the greatest inputs of a network, two tensors that broadcast to (N, *input_shape)."""

    low: Tensor
    high: Tensor


class ClassificationTask(SupervisedTask):
    """Logits (N, output_dim) against labels y (N,) int64, with cross-entropy and accuracy.

    raw_range: the least and the greatest number of the data in raw units, such as (0, 255) of pixels, if it is known.
    """

    monitor = "val/accuracy"
    monitor_mode = "max"
    raw_range: tuple[float, float] | None = None

    @property
    def box(self) -> Box:
        """`raw_range` as networks take it, normalised; without one that of the training samples, by feature of vectors.

        Attacks stay in it, and their eps is a fraction of it.
        """
        self.setup()
        if self.raw_range is not None:
            return Box(*(self.train_set.normalised(torch.tensor(side)) for side in self.raw_range))
        x, _ = self.train_set.batch(range(len(self.train_set)))
        over = (0,) if x.ndim == 2 else tuple(range(x.ndim))
        return Box(x.amin(over, keepdim=True)[0], x.amax(over, keepdim=True)[0])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of logits (N, output_dim) and labels (N,), in nats, mean over the batch."""
        return F.cross_entropy(outputs, targets)

    def metrics(self) -> MetricCollection:
        """The fraction of samples that are classified correctly, as "accuracy"."""
        return MetricCollection({"accuracy": MulticlassAccuracy(self.output_dim, average="micro")})

    def targets(self, y: Tensor) -> Tensor:
        """One-hot labels, (N,) -> (N, output_dim) float32."""
        return F.one_hot(y, self.output_dim).float()

    def probe_rows(self, n: int, generator: torch.Generator) -> Tensor:
        """n rows with class counts that differ by at most 1, in order of class; see `balanced_rows`."""
        return balanced_rows(self.train_set.labels, n, self.output_dim, generator)


class RegressionTask(SupervisedTask):
    """Outputs (N, output_dim) against y (N, output_dim) float32, with the mean squared error."""

    monitor = "val/mse"
    monitor_mode = "min"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error over batch and outputs, both (N, output_dim)."""
        return F.mse_loss(outputs, targets)

    def metrics(self) -> MetricCollection:
        """The mean squared error over samples and outputs, as "mse"."""
        return MetricCollection({"mse": MeanSquaredError()})

    def targets(self, y: Tensor) -> Tensor:
        """y itself, (N, output_dim) float32."""
        return y.reshape(len(y), self.output_dim).float()
