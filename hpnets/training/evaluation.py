"""The test metrics of a network, clean and under attack."""

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from hpnets.attacks import Ball, attack, is_wrong
from hpnets.options import AttackOptions
from hpnets.tasks import Task
from hpnets.tasks.base import Predict, SupervisedTask
from hpnets.tasks.kinds import ClassificationTask
from hpnets.training.kept_data import Predictions
from hpnets.validate import require

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


def check_attack(task: Task, options: AttackOptions) -> ClassificationTask:
    """The task, if it has classes; else ValueError, and for a radius of 0 or beyond the data's range."""
    require(options.eps > 0, "attack.eps", options.eps, "> 0, a fraction of the data's range")
    if not isinstance(task, ClassificationTask):
        raise ValueError(f"attack.eps is {options.eps}; allowed for task {task.name!r}, which has no classes: 0")
    x = task.box.low.expand(1, *task.input_shape)
    Ball.around(x, task.box, options.eps, options.norm)
    return task


def evaluate_attacked(
    net: nn.Module, task: Task, options: AttackOptions, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """{"test/accuracy": clean, "test/robust_accuracy": of the worst points that were tried} over the test set.

    In eval mode, over the ranks as `evaluate`. Raises ValueError for a task without classes, a radius of 0 or one
    beyond the data's range.
    """
    task = check_attack(task, options)
    net, box = net.to(device).eval(), task.box
    dtype = next(net.parameters()).dtype
    clean, robust = MeanMetric().to(device), MeanMetric().to(device)
    for x, y in task.test_dataloader():
        x, y = x.to(device, dtype), y.to(device)
        with torch.no_grad():
            clean.update((~is_wrong(net(x), y)).float())
        robust.update((~attack(net, x, y, box, options).wrong).float())
    return {"test/accuracy": float(clean.compute()), "test/robust_accuracy": float(robust.compute())}
