"""What is learnt: LightningDataModules with their shapes, loss, metrics and a fixed probe set.

task = create_task("digits", batch_size=64)
task.setup()
x, y, indices = task.probe(100)
"""

import inspect
from typing import Any

from hpnets.option_sets import Option
from hpnets.registry import import_all
from hpnets.tasks.base import TASKS, SupervisedTask, Task, register_task

__all__ = ["Task", "create_task", "list_tasks", "register_task", "task_option_docs", "task_options", "task_summary"]

import_all(__name__, __path__)


def create_task(name: str, **options: Any) -> SupervisedTask:
    """Build the task registered as `name`; raises ValueError for an unknown name, option or value."""
    return TASKS.create(name, **options)


def list_tasks(pattern: str = "*") -> list[str]:
    """Sorted names of the registered tasks that match a shell pattern such as "*mnist*"."""
    return TASKS.names(pattern)


def task_summary(name: str) -> str:
    """What the task `name` is, in one line; raises ValueError for an unknown name."""
    return TASKS.summary(name)


def task_options(name: str) -> dict[str, inspect.Parameter]:
    """The constructor options of the task `name`, in order; raises ValueError for an unknown name."""
    return TASKS.options(name)


def task_option_docs(name: str) -> dict[str, Option]:
    """What each of `task_options` is, in a line, of those that are declared with a text."""
    return TASKS.option_docs(name)
