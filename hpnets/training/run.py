"""train(options) makes one run, new or resumed, from options to a finished run folder."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn

from hpnets.atomic_files import remove_partial
from hpnets.ntk import fingerprint
from hpnets.options import RunOptions
from hpnets.tasks import Task
from hpnets.tasks.generation import Features, GenerationTask
from hpnets.training.assemble import (
    is_first_rank,
    make_callbacks,
    make_monitor,
    make_trainer,
    make_wandb,
    quiet_lightning,
)
from hpnets.training.build import build, complete, named
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.evaluation import evaluate
from hpnets.training.initial_weights import KeepStart, start_from
from hpnets.training.lit import LitModel, make_optimizer
from hpnets.training.lit_gan import LitGAN
from hpnets.training.loggers import MetricsCSV
from hpnets.training.module_of import module_of
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.precision import check_half
from hpnets.training.read_back import check_checkpoint, check_tensors, check_unchanged
from hpnets.training.run_folder import RunFolder


@dataclass(frozen=True)
class Summary:
    """The folder of a finished run, and the content of its summary.json ({} on ranks that do not write it)."""

    folder: Path
    results: dict[str, Any]


def train(
    options: RunOptions,
    folder: Path,
    resume: bool = False,
    features: Features | None = None,
    *,
    net: nn.Module | None = None,
    task: Task | None = None,
) -> Summary:
    """Train what `options` describe into `folder`, or go on from its last checkpoint if `resume`.

    A run that is stopped at any moment and resumed ends with the same weights, metrics and kernel track as one that is
    never stopped, bit for bit on a CPU with one process: checkpoints are taken at the end of an epoch, all randomness
    within an epoch follows from (seed, epoch, rank), and rows and kernels logged so far are part of the checkpoint.
    features: a network's features by which generated pictures are measured (`hpnets.tasks.generation`), for models that
    make some.
    net, task: a network and a task in the place of the named ones; config.yaml then holds {"name": "python:<class>"},
    and `load_run` and a resumed `train` are given equal ones. The network itself is trained, on top of its weights.

    Raises ValueError for options that cannot be run, before anything is written; NonFiniteError if the loss, the
    weights or the kernel become NaN or Inf; Interrupted if the run is stopped.
    """
    started = time.time()
    quiet_lightning()
    run, options = RunFolder(folder), complete(named(options, net, task))
    if not resume and is_first_rank():
        run.check_new()
    pl.seed_everything(options.seed, verbose=False)
    net, task = build(options, features, net, task)
    goes_on = resume and run.last.exists()
    start = start_from(net, options.init_from) if options.init_from and not goes_on else None
    metrics, wandb = MetricsCSV(run.metrics), make_wandb(options, run)
    monitor = make_monitor(options.ntk, net, task, run)
    callbacks, kept = make_callbacks(options, monitor, task, run, metrics), KeepStart(start)
    trainer = make_trainer(
        options, [metrics, *([wandb] if wandb else [])], [*callbacks, *([kept] if options.init_from else [])]
    )
    if isinstance(task, GenerationTask) and trainer.world_size > 1:
        raise ValueError(f"trainer.devices is {options.trainer.devices}; allowed for {options.model['name']!r}: 1")
    task.trainer = trainer
    task.train_dataloader()  # raises early for a batch size that does not fit the data or the ranks
    make_optimizer(net, options.optim)  # raises early for what the parametrisation refuses
    check_half(net, task.probe(min(16, len(task.train_set))).x, options.trainer.precision)
    module = module_of(net, task, options)
    checkpoint = _checkpoint(run, options, module) if resume else None
    if trainer.is_global_zero:
        remove_partial(run.path) if resume else run.start(options)
        if start:
            print(start, flush=True)
    _fit(trainer, module, task, checkpoint, run)
    net = module.deployed()
    results = evaluate(net, task, trainer.strategy.root_device)
    if not trainer.is_global_zero:
        return Summary(folder, {})
    metrics.log_metrics(results, trainer.global_step)
    metrics.write()
    summary = _summary(options, task, net, monitor)
    summary |= {"metrics": results, "steps": trainer.global_step, "seconds": round(time.time() - started, 2)}
    summary |= {"init_from": vars(kept.start)} if kept.start else {}
    summary = run.finish(net, summary)
    if wandb:
        wandb.log_metrics(results, trainer.global_step)
        wandb.log_results(run.kernel, run.weights)
        wandb.close()
    return Summary(folder, summary)


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


def _summary(options: RunOptions, task: Task, net: nn.Module, monitor: NTKMonitor | None) -> dict[str, Any]:
    probe = min(options.ntk.probe, len(task.train_set))
    kernel = monitor.track.metrics[-1] if monitor and monitor.track.metrics else {}
    blocks = monitor.track.blocks if monitor else {}
    return {
        "model": options.model["name"],
        "task": options.task["name"],
        "parameters": sum(p.numel() for p in net.parameters()),
        "kernel": _plain(kernel),
        **({"blocks": {name: _plain(block.metrics[-1]) for name, block in blocks.items()}} if blocks else {}),
        **({"features": task.features} if isinstance(task, GenerationTask) else {}),
        "fingerprint": {"probe": probe, **fingerprint(net, task.probe(probe).x)},
    }


def _plain(metrics: dict[str, float]) -> dict[str, float | None]:
    """Metrics for json, which has no NaN: None stands for it."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
