"""The test metrics of a network."""

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from hpnets.tasks import Task
from hpnets.tasks.base import Predict, SupervisedTask
from hpnets.training.kept_data import Predictions

ROWS = 4096  # samples of one forward pass


def predictor(net: nn.Module, device: torch.device | str = "cpu") -> Predict:
    """`net`, put into eval mode, as a function of inputs (N, ...) on any device, without gradients."""
    net = net.to(device).eval()
    dtype = next(net.parameters()).dtype

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        return torch.cat([net(part.to(device, dtype)) for part in x.split(ROWS)])

    return predict


def sample_means(
    predict: Predict, task: SupervisedTask, device: torch.device | str, kept: Predictions | None = None
) -> dict[str, float]:
    """{"loss": ..., <metric>: ...}, means over the task's test set; `kept` collects outputs."""
    loss, metrics = MeanMetric().to(device), task.metrics().to(device)
    for x, y in task.test_dataloader():
        outputs, y = predict(x), y.to(device)
        loss.update(task.loss(outputs, y), weight=len(x))
        metrics.update(outputs, y)
        if kept:
            kept.add(outputs, y)
    return {name: float(value) for name, value in {"loss": loss.compute(), **metrics.compute()}.items()}


def evaluate(
    net: nn.Module, task: Task, device: torch.device | str = "cpu", kept: Predictions | None = None
) -> dict[str, float]:
    """{"test/loss": ..., "test/<metric>": ..., "test/<measure>": ...} over the test set, in eval mode.

    In a distributed run each rank takes its share of the samples, each once, and the metrics are summed over the ranks.
    `kept` collects the outputs on samples of a task that has targets.
    """
    predict = predictor(net, device)
    means = sample_means(predict, task, device, kept) if isinstance(task, SupervisedTask) else {}
    return {f"test/{name}": value for name, value in {**means, **task.measures(predict)}.items()}
