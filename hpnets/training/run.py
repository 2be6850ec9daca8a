"""train(options) makes one run, new or resumed, from options to a finished run folder."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn

from hpnets.atomic_files import remove_partial
from hpnets.ntk import fingerprint
from hpnets.options import RunOptions
from hpnets.options.launcher import launched
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
from hpnets.training.build import build, complete
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.evaluation import evaluate
from hpnets.training.kept_data import make_predictions, write_predictions, write_probe
from hpnets.training.lit import LitModel, make_optimizer
from hpnets.training.lit_gan import LitGAN
from hpnets.training.loggers import MetricsCSV
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.precision import check_half
from hpnets.training.read_back import check_checkpoint, check_tensors, check_unchanged
from hpnets.training.run_folder import RunFolder
from hpnets.training.run_warnings import Warnings, counted_warnings


@dataclass(frozen=True)
class Summary:
    """The folder of a finished run, and the content of its summary.json ({} on ranks that do not write it)."""

    folder: Path
    results: dict[str, Any]


def train(options: RunOptions, folder: Path, resume: bool = False, features: Features | None = None) -> Summary:
    """Train what `options` describe into `folder`, or go on from its last checkpoint if `resume`.

    A run that is stopped at any moment and resumed ends with the same weights, metrics and kernel track as one that is
    never stopped, bit for bit on a CPU with one process: checkpoints are taken at the end of an epoch, all randomness
    within an epoch follows from (seed, epoch, rank), and rows and kernels logged so far are part of the checkpoint.
    features: a network's features by which generated pictures are measured (`hpnets.tasks.generation`), for models that
    make some.

    Raises ValueError for options that cannot be run, before anything is written; NonFiniteError if the loss, the
    weights or the kernel become NaN or Inf; Interrupted if the run is stopped.
    """
    with counted_warnings() as said:
        return _train(options, RunFolder(folder), resume, features, said)


def _train(options: RunOptions, run: RunFolder, resume: bool, features: Features | None, said: Warnings) -> Summary:
    started = time.time()
    quiet_lightning()
    options = complete(options)
    options = replace(options, trainer=launched(options.trainer))
    if not resume and is_first_rank():
        run.check_new()
    pl.seed_everything(options.seed, verbose=False)
    net, task = build(options, features)
    metrics, wandb = MetricsCSV(run.metrics), make_wandb(options, run, net, task)
    monitor = make_monitor(options.ntk, net, task, run)
    trainer = make_trainer(
        options, [metrics, *([wandb] if wandb else [])], make_callbacks(options, monitor, task, run, metrics)
    )
    if isinstance(task, GenerationTask) and trainer.world_size > 1:
        raise ValueError(f"trainer.devices is {options.trainer.devices}; allowed for {options.model['name']!r}: 1")
    task.trainer = trainer
    task.train_dataloader()  # raises early for a batch size that does not fit the data or the ranks
    make_optimizer(net, options.optim)  # raises early for what the parametrisation refuses
    probe = task.probe(min(options.ntk.probe, len(task.train_set)))
    check_half(net, task.probe(min(16, len(task.train_set))).x, options.trainer.precision)
    module = _module(net, task, options)
    checkpoint = _checkpoint(run, options, module) if resume else None
    if trainer.is_global_zero:
        remove_partial(run.path) if resume else run.start(options)
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
    summary = _summary(options, task, net, monitor, probe)
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
        good = f"the last good checkpoint is {run.last}" if run.last.is_file() else "no epoch had ended before"
        raise NonFiniteError(f"{error}; {good}") from None
    except SystemExit:
        raise Interrupted(f"stopped at step {trainer.global_step}") from None


def _checkpoint(run: RunFolder, options: RunOptions, module: pl.LightningModule) -> Path | None:
    """The path of last.ckpt, checked against the options and the module; None if no epoch had ended."""
    if not run.last.exists():
        return None
    saved = read_checkpoint(run.last)
    check_checkpoint(run.last, saved)
    check_unchanged(run.config, options, saved.get("options", {}))
    check_tensors(run.last, saved["state_dict"], module.state_dict(), run.config)
    trained, max_epochs = saved["epoch"] + 1, options.trainer.max_epochs
    if trained > max_epochs:
        raise ValueError(f"trainer.max_epochs is {max_epochs}; allowed: >= {trained}, the epochs trained already")
    return run.last


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
