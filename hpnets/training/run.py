"""train(options) makes one run, new or resumed, from options to a finished run folder."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn

from hpnets.options import RunOptions
from hpnets.options.launcher import launched
from hpnets.schedules import check_total
from hpnets.tasks import Task
from hpnets.tasks.generation import Features, GenerationTask
from hpnets.training.assemble import (
    is_first_rank,
    make_callbacks,
    make_curvature,
    make_monitor,
    make_trainer,
    make_wandb,
    quiet_lightning,
)
from hpnets.training.build import build, check_for_gan, complete, named
from hpnets.training.compiling import compiled
from hpnets.training.dynamics import underlying
from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.finishing import Parts, finish
from hpnets.training.going_on import check_module, has_ended, read_last
from hpnets.training.initial_weights import KeepStart, start_from
from hpnets.training.kept_data import write_probe
from hpnets.training.length import Ending, epoch_batches
from hpnets.training.lit import LitModel, make_optimizer
from hpnets.training.loggers import MetricsCSV
from hpnets.training.module_of import module_of
from hpnets.training.precision import check_half
from hpnets.training.rates import check_same_total, planned_steps
from hpnets.training.run_folder import RunFolder
from hpnets.training.run_warnings import Warnings, counted_warnings


@dataclass(frozen=True)
class Summary:
    """The folder of a finished run, and the content of its summary.json ({} on ranks that do not write it).

    ended_before: the run was to go on but had ended, and nothing was done.
    """

    folder: Path
    results: dict[str, Any]
    ended_before: bool = False


def train(
    options: RunOptions,
    folder: Path,
    resume: bool = False,
    features: Features | None = None,
    last_step: int | None = None,
    *,
    net: nn.Module | None = None,
    task: Task | None = None,
) -> Summary:
    """Train what `options` describe into `folder`, or go on from its last checkpoint if `resume`.

    A run that is stopped at any moment and resumed ends with the same weights, metrics and kernel track as one that is
    never stopped, bit for bit on a CPU with one process: it goes on with the batch after its last checkpoint, which
    holds the random state, and the rows and kernels logged so far. One that has ended is left as it is, except if
    `options` prolong it.
    features: a network's features by which generated pictures are measured (`hpnets.tasks.generation`), for models that
    make some. last_step: end the fit there, whatever the options say, as a dry run does.
    net, task: a network and a task in the place of the named ones; config.yaml then holds {"name": "python:<class>"},
    and `load_run` and a resumed `train` are given equal ones. The network itself is trained, on top of its weights.

    Raises ValueError for options that cannot be run, before anything is written; NonFiniteError if the loss, the
    weights or the kernel become NaN or Inf; Interrupted if the run is stopped.
    """
    began = time.time()
    with counted_warnings() as said:
        quiet_lightning()
        run, options = RunFolder(folder), complete(named(options, net, task))
        options = replace(options, trainer=launched(options.trainer))
        if not resume and is_first_rank():
            run.check_new()
        saved = read_last(run, options) if resume else None
        if resume and last_step is None and has_ended(run, options, saved):
            return Summary(folder, run.read_summary() if is_first_rank() else {}, ended_before=True)
        pl.seed_everything(options.seed, verbose=False)
        parts = _prepare(options, run, saved, last_step, build(options, features, net, task), began)
        goes_on, saved = saved is not None, None  # which frees the memory
        if parts.trainer.is_global_zero:
            _begin(parts, resume, said)
        _fit(parts, run.last if goes_on else None)
        return Summary(folder, finish(parts))


def _prepare(
    options: RunOptions,
    run: RunFolder,
    saved: dict[str, Any] | None,
    last_step: int | None,
    built: tuple[nn.Module, Task],
    began: float,
) -> Parts:
    """The parts of a run; raises ValueError for options that do not fit them, before anything is written."""
    net, task = built
    start = KeepStart(start_from(underlying(net), options.init_from) if options.init_from and saved is None else None)
    metrics, wandb = MetricsCSV(run.metrics), make_wandb(options, run, net, task)
    module = module_of(net, task, options)
    monitor = make_monitor(options.ntk, net, task, run, module.adversary if isinstance(module, LitModel) else None)
    curvature = make_curvature(options.curvature, options.ntk, net, task)
    callbacks = [Ending(options.trainer, last_step), *make_callbacks(options, monitor, curvature, task, run, metrics)]
    callbacks += [start] if options.init_from else []
    trainer = make_trainer(options, [metrics, *([wandb] if wandb else [])], callbacks)
    if isinstance(task, GenerationTask):
        check_for_gan(options, trainer.world_size)
    task.trainer = trainer
    # The loader raises early for a batch size that does not fit the data or the ranks.
    trainer.limit_train_batches = epoch_batches(options.trainer, len(task.train_dataloader()))
    steps = planned_steps(trainer, trainer.limit_train_batches)
    check_total(options.optim, steps)
    make_optimizer(net, options.optim)  # raises early for what the parametrisation refuses
    probe = task.probe(min(options.ntk.probe, len(task.train_set)))
    check_half(net, task.probe(min(16, len(task.train_set))).x, options.trainer.precision)
    if saved:
        check_module(run, saved, module.state_dict())
        check_same_total(run.config, options.optim, saved, steps)
    if options.trainer.compile:
        module.through = compiled(net)
    return Parts(options, run, task, module, trainer, monitor, curvature, metrics, wandb, probe, start, began)


def _begin(parts: Parts, resume: bool, said: Warnings) -> None:
    """Write what stands in the folder from the start."""
    run = parts.run
    run.go_on(parts.options) if resume else run.start(parts.options)
    if parts.start.start:
        print(parts.start.start, flush=True)
    said.keep_in(run.warnings)
    write_probe(run.probe, parts.probe)


def _fit(parts: Parts, checkpoint: Path | None) -> None:
    trainer, last = parts.trainer, parts.run.last
    try:
        trainer.fit(parts.module, datamodule=parts.task, ckpt_path=checkpoint, weights_only=True)
    except NonFiniteError as error:
        good = f"the last good checkpoint is {last}" if last.is_file() else "there is no checkpoint yet"
        raise NonFiniteError(f"{error}; {good}") from None
    except SystemExit:
        raise Interrupted(f"stopped at step {trainer.global_step}") from None
