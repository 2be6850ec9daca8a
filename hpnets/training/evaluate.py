"""The test metrics of a network."""

import torch
from torch import nn
from torchmetrics import MeanMetric

from hpnets.tasks import Task


@torch.no_grad()
def evaluate(net: nn.Module, task: Task, device: torch.device | str = "cpu") -> dict[str, float]:
    """{"test/loss": ..., "test/<metric>": ...} over the task's test set, in eval mode, every sample once.

    In a distributed run each rank takes its share, and the metrics are summed over the ranks.
    """
    net = net.to(device).eval()
    dtype = next(net.parameters()).dtype
    loss, metrics = MeanMetric().to(device), task.metrics().clone(prefix="test/").to(device)
    for x, y in task.test_dataloader():
        x, y = x.to(device, dtype), y.to(device)
        outputs = net(x)
        loss.update(task.loss(outputs, y), weight=len(x))
        metrics.update(outputs, y)
    return {"test/loss": float(loss.compute()), **{name: float(v) for name, v in metrics.compute().items()}}
