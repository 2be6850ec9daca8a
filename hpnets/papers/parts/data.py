"""Data of registered tasks as tensors, whole."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hpnets.tasks import create_task
from hpnets.tasks.samples import Samples


def task_parts(name: str, **options: Any) -> tuple[Tensor, ...]:
    """x, y of training, x, y of validation and x, y of test, of the task with these options."""
    task = create_task(name, **options)
    task.setup()
    parts = (task.train_set, task.val_set, task.test_set)
    return tuple(tensor for samples in parts for tensor in samples.batch(range(len(samples))))


def check_images(task: str) -> None:
    """Raise ValueError, before any file is read, unless the task is of images."""
    if len(create_task(task).input_shape) != 3:
        raise ValueError(f"task is {task!r}; allowed: digits, fashion_mnist, mnist, cifar10")


@cache
def training_images(task: str) -> Samples:
    """The training images of a task, read once."""
    made = create_task(task)
    made.setup()
    return made.train_set


def stacked(rows: Iterable[tuple[Tensor, ...]], device: str) -> tuple[Tensor, ...]:
    """The tensors of each seed, (..), as tensors of all seeds, (seeds, ..)."""
    return tuple(torch.stack(part).to(device) for part in zip(*rows, strict=True))
