"""From options to a network and a task: options are completed and read by their types, then built."""

import re
from dataclasses import replace
from inspect import Parameter
from typing import Any

from torch import nn

from hpnets.models import create_model, generates_pictures, model_options
from hpnets.options import GANOptions, RunOptions
from hpnets.registry import nearest
from hpnets.tasks import Task, create_task, task_options
from hpnets.tasks.generation import Features, GenerationTask
from hpnets.validate import read


def complete(options: RunOptions) -> RunOptions:
    """The same options with the defaults of model and task written out, and each value read as its type.

    Raises ValueError for an unknown name or option, or a value of another type.
    """

    def with_defaults(kind: str, given: dict[str, Any], allowed: dict[str, Parameter]) -> dict[str, Any]:
        for key in given:
            if key != "name" and key not in allowed:
                raise ValueError(f"{kind} {given['name']!r} has no option {key!r}; {nearest(str(key), allowed)}")
        values = {key: given.get(key, p.default) for key, p in allowed.items()}
        types = {key: Any if p.annotation is Parameter.empty else p.annotation for key, p in allowed.items()}
        return {"name": given["name"], **{key: read(f"{kind}.{key}", v, types[key]) for key, v in values.items()}}

    return replace(
        options,
        model=with_defaults("model", options.model, model_options(options.model["name"])),
        task=with_defaults("task", options.task, task_options(options.task["name"])),
    )


def build(options: RunOptions, features: Features | None = None) -> tuple[nn.Module, Task]:
    """The network and the task (set up) that options describe; raises ValueError if they cannot be built.

    A model that generates pictures gets the GenerationTask of the task; `features` measure its pictures.
    """
    if options.gan != GANOptions() and not generates_pictures(options.model["name"]):
        raise ValueError(f"gan is {vars(options.gan)}; allowed for {options.model['name']!r}, no generator: no change")
    try:
        return _build(options, features)
    except (RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not re.search("allocat|overflow|out of memory", str(error)):
            raise
        raise ValueError(
            f"model {options.model} on task {options.task} does not fit into memory: {str(error).splitlines()[0]}"
        ) from error


def check_for_gan(options: RunOptions, processes: int) -> None:
    """Raise ValueError for options of the trainer that a pair of networks is not trained with."""
    trainer = options.trainer
    for option, fits, allowed in (
        ("devices", processes == 1, "1, on one node"),
        ("accumulate_grad_batches", trainer.accumulate_grad_batches == 1, "1"),
        ("compile", not trainer.compile, "False"),
    ):
        if not fits:
            value = getattr(trainer, option)
            raise ValueError(f"trainer.{option} is {value}; allowed for {options.model['name']!r}: {allowed}")


def _build(options: RunOptions, features: Features | None) -> tuple[nn.Module, Task]:
    task_options, model_options = dict(options.task), dict(options.model)
    task: Task = create_task(task_options.pop("name"), **task_options)
    if generates_pictures(options.model["name"]):
        task = GenerationTask(task, options.gan.latent, features)
    net = create_model(
        model_options.pop("name"), input_shape=task.input_shape, output_dim=task.output_dim, **model_options
    )
    task.prepare_data()
    task.setup("fit")
    return net, task
