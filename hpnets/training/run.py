"""train(options) makes one run, new or resumed, from options to a finished run folder."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn

from hpnets.ntk import fingerprint
from hpnets.options import RunOptions
from hpnets.options.launcher import launched
from hpnets.schedules import check_total
from hpnets.tasks import Task
from hpnets.tasks.base import Probe, SupervisedTask
from hpnets.tasks.generation import Features, GenerationTask
from hpnets.training.assemble import (
    is_first_rank,
    make_callbacks,
    make_monitor,
    make_trainer,
    make_wandb,
    quiet_lightning,
)
from hpnets.training.build import build, check_for_gan, complete
from hpnets.training.checkpoints import best_score
from hpnets.training.compiling import compiled
from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.evaluation import evaluate
from hpnets.training.going_on import check_module, has_ended, read_last
from hpnets.training.kept_data import make_predictions, write_predictions, write_probe
from hpnets.training.length import Ending, epoch_batches
from hpnets.training.lit import LitModel, make_optimizer
from hpnets.training.lit_gan import LitGAN
from hpnets.training.loggers import MetricsCSV
from hpnets.training.ntk_monitor import NTKMonitor
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
) -> Summary:
    """Train what `options` describe into `folder`, or go on from its last checkpoint if `resume`.

    A run that is stopped at any moment and resumed ends with the same weights, metrics and kernel track as one that is
    never stopped, bit for bit on a CPU with one process: it goes on with the batch after its last checkpoint, which
    holds the random state, and the rows and kernels logged so far. One that has ended is left as it is, except if
    `options` prolong it.
    features: a network's features by which generated pictures are measured (`hpnets.tasks.generation`), for models that
    make some. last_step: end the fit there, whatever the options say, as a dry run does.

    Raises ValueError for options that cannot be run, before anything is written; NonFiniteError if the loss, the
    weights or the kernel become NaN or Inf; Interrupted if the run is stopped.
    """
    with counted_warnings() as said:
        return _train(options, RunFolder(folder), resume, features, last_step, said)


def _train(
    options: RunOptions, run: RunFolder, resume: bool, features: Features | None, last_step: int | None, said: Warnings
) -> Summary:
    started = time.time()
    quiet_lightning()
    options = complete(options)
    options = replace(options, trainer=launched(options.trainer))
    if not resume and is_first_rank():
        run.check_new()
    saved = read_last(run, options) if resume else None
    if resume and last_step is None and has_ended(run, options, saved):
        return Summary(run.path, run.read_summary() if is_first_rank() else {}, ended_before=True)
    pl.seed_everything(options.seed, verbose=False)
    net, task = build(options, features)
    metrics, wandb = MetricsCSV(run.metrics), make_wandb(options, run, net, task)
    monitor = make_monitor(options.ntk, net, task, run)
    callbacks = [Ending(options.trainer, last_step), *make_callbacks(options, monitor, task, run, metrics)]
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
    module = _module(net, task, options)
    if saved:
        check_module(run, saved, module.state_dict())
        check_same_total(run.config, options.optim, saved, steps)
    checkpoint, saved = run.last if saved else None, None  # which frees the memory
    if options.trainer.compile:
        module.through = compiled(net)
    if trainer.is_global_zero:
        run.go_on(options) if resume else run.start(options)
        said.keep_in(run.warnings)
        write_probe(run.probe, probe)
    _fit(trainer, module, task, checkpoint, run)
    net = module.deployed()
    kept = make_predictions(task)
    results = evaluate(net, task, trainer.strategy.root_device, kept)
    predictions = kept.gathered() if kept else None
    if not trainer.is_global_zero:
        return Summary(run.path, {})
    if predictions:
        write_predictions(run.predictions, predictions, len(task.test_set))
    metrics.log_metrics(results, trainer.global_step)
    metrics.write()
    summary = _summary(options, task, net, monitor, probe) | {"best": best_score(trainer)}
    summary |= {"metrics": results, "steps": trainer.global_step, "seconds": round(time.time() - started, 2)}
    summary = run.finish(net, summary)
    if wandb:
        wandb.log_metrics(results, trainer.global_step)
        wandb.log_results(run.kernel, run.weights)
        wandb.close()
    return Summary(run.path, summary)


def _module(net: nn.Module, task: Task, options: RunOptions) -> LitModel | LitGAN:
    """The LightningModule that trains `net` on a task of this kind."""
    if isinstance(task, GenerationTask):
        return LitGAN(net, task, options.optim, options.gan)
    assert isinstance(task, SupervisedTask)
    return LitModel(net, task, options.optim)


def _fit(trainer: pl.Trainer, module: LitModel | LitGAN, task: Task, checkpoint: Path | None, run: RunFolder) -> None:
    try:
        trainer.fit(module, datamodule=task, ckpt_path=checkpoint, weights_only=True)
    except NonFiniteError as error:
        good = f"the last good checkpoint is {run.last}" if run.last.is_file() else "there is no checkpoint yet"
        raise NonFiniteError(f"{error}; {good}") from None
    except SystemExit:
        raise Interrupted(f"stopped at step {trainer.global_step}") from None


def _summary(
    options: RunOptions, task: Task, net: nn.Module, monitor: NTKMonitor | None, probe: Probe
) -> dict[str, Any]:
    kernel = monitor.track.metrics[-1] if monitor and monitor.track.metrics else {}
    return {
        "model": options.model["name"],
        "task": options.task["name"],
        "parameters": sum(p.numel() for p in net.parameters()),
        # json has no NaN, so None stands for it.
        "kernel": {name: value if math.isfinite(value) else None for name, value in kernel.items()},
        **({"features": task.features} if isinstance(task, GenerationTask) else {}),
        "fingerprint": {"probe": len(probe.x), **fingerprint(net, probe.x)},
    }
