"""The two kinds of tasks: loss, metrics and kernel-alignment targets of classification and of regression."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MeanSquaredError, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.probe import balanced_rows


class ClassificationTask(SupervisedTask):
    """Logits (N, output_dim) against labels y (N,) int64, with cross-entropy and accuracy."""

    monitor = "val/accuracy"
    monitor_mode = "max"

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
