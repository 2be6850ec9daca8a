"""From options to a network and a task: options are completed and read by their types, then built.

A network or a task that Python code hands over stands in the options as {"name": "python:<its class>"}.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Any

import torch
from torch import nn

from hpnets.models import create_model, generates_pictures, model_options
from hpnets.options import GANOptions, RunOptions
from hpnets.registry import PYTHON, nearest
from hpnets.tasks import Task, create_task, task_options
from hpnets.tasks.generation import Features, GenerationTask
from hpnets.training.dynamics import check_dynamics, with_dynamics
from hpnets.training.freeze import freeze
from hpnets.training.measured_network import eval_mode
from hpnets.validate import read, require


def complete(options: RunOptions) -> RunOptions:
    """The same options with the defaults of model and task written out, and each value read as its type.

    Raises ValueError for an unknown name or option, or a value of another type.
    """

    def with_defaults(kind: str, given: dict[str, Any], options_of: Callable[[str], Mapping[str, Parameter]]) -> Any:
        allowed = {} if given["name"].startswith(PYTHON) else options_of(given["name"])
        for key in given:
            if key != "name" and key not in allowed:
                raise ValueError(f"{kind} {given['name']!r} has no option {key!r}; {nearest(str(key), allowed)}")
        values = {key: given.get(key, p.default) for key, p in allowed.items()}
        types = {key: Any if p.annotation is Parameter.empty else p.annotation for key, p in allowed.items()}
        return {"name": given["name"], **{key: read(f"{kind}.{key}", v, types[key]) for key, v in values.items()}}

    return replace(
        options,
        model=with_defaults("model", options.model, model_options),
        task=with_defaults("task", options.task, task_options),
    )


def named(options: RunOptions, net: nn.Module | None, task: Task | None) -> RunOptions:
    """The options with the classes of a network and a task that were handed over in the place of their names."""
    model, data = (None if part is None else {"name": _class_name(part)} for part in (net, task))
    return replace(options, model=model or options.model, task=data or options.task)


def _class_name(part: object) -> str:
    return f"{PYTHON}{type(part).__module__}.{type(part).__qualname__}"


def build(
    options: RunOptions, features: Features | None = None, net: nn.Module | None = None, task: Task | None = None
) -> tuple[nn.Module, Task]:
    """The network and the task (set up) that options describe; raises ValueError if they cannot be built.

    A model that generates pictures gets the GenerationTask of the task; `features` measure its pictures. net, task: in
    the place of the named ones; the network maps (N, *input_shape) to (N, output_dim) of the task. If options.dynamics
    says so, the network is a linearised copy.
    """
    generates = generates_pictures(options.model["name"]) if net is None else hasattr(net, "generates_pictures")
    if options.gan != GANOptions() and not generates:
        raise ValueError(f"gan is {vars(options.gan)}; allowed for {options.model['name']!r}, no generator: no change")
    check_dynamics(options, generates)
    try:
        task = _named_task(options) if task is None else task
        if generates and not isinstance(task, GenerationTask):
            task = GenerationTask(task, options.gan.latent, features)
        made = _named_network(options, task) if net is None else net
        freeze(made, options.freeze)
        task.prepare_data()
        task.setup("fit")
    except (RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not re.search("allocat|overflow|out of memory", str(error)):
            raise
        raise ValueError(
            f"model {options.model} on task {options.task} does not fit into memory: {str(error).splitlines()[0]}"
        ) from error
    if net is not None:
        _check_network(net, task)
    return with_dynamics(made, options.dynamics), task


def check_for_gan(options: RunOptions, processes: int) -> None:
    """Raise ValueError for options of the trainer or the task that a pair of networks is not trained with."""
    trainer = options.trainer
    for option, fits, allowed in (
        ("devices", processes == 1, "1, on one node"),
        ("accumulate_grad_batches", trainer.accumulate_grad_batches == 1, "1"),
        ("compile", not trainer.compile, "False"),
    ):
        if not fits:
            value = getattr(trainer, option)
            raise ValueError(f"trainer.{option} is {value}; allowed for {options.model['name']!r}: {allowed}")
    validation = options.task.get("validation", 1)  # of tasks that can do without
    require(
        validation > 0, "task.validation", validation, f"above 0 for {options.model['name']!r}, as its distance needs"
    )


def _named_task(options: RunOptions) -> Task:
    own = dict(options.task)
    return create_task(own.pop("name"), **own)


def _named_network(options: RunOptions, task: Task) -> nn.Module:
    own = dict(options.model)
    return create_model(own.pop("name"), input_shape=task.input_shape, output_dim=task.output_dim, **own)


@torch.no_grad()
def _check_network(net: nn.Module, task: Task) -> None:
    """Raise ValueError unless a network that was handed over maps two samples of the task to (2, output_dim)."""
    x = task.probe(2).x.to(next(net.parameters()))
    with eval_mode(net):
        try:
            y = net(x)
        except (RuntimeError, TypeError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"net fails on inputs {tuple(x.shape)} of {type(task).__name__}: {reason}") from error
    shape = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
    require(shape == (2, task.output_dim), "net(x)", shape, f"(2, {task.output_dim}) for x {tuple(x.shape)}")
