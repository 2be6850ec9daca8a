"""The parts of a run are made from its options: callbacks, loggers, Trainer."""

import logging
import sys
import warnings
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from hpnets.options import CurvatureOptions, NTKOptions, RunOptions
from hpnets.options.intervals import seconds
from hpnets.patterns import patterns_in
from hpnets.tasks import Task
from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.generation import GenerationTask
from hpnets.tasks.sphere import SphereTask
from hpnets.training.adversary import Adversary
from hpnets.training.batch_statistics import BATCHES, ROWS, Source
from hpnets.training.callbacks import EpochPicture, KeepOptions, SeedEpochs
from hpnets.training.checkpoints import LastAndBest, WholeCheckpointIO
from hpnets.training.curvature_monitor import CurvatureMonitor
from hpnets.training.dynamics import underlying
from hpnets.training.harmonic_monitor import HarmonicMonitor
from hpnets.training.length import validation
from hpnets.training.loggers import MetricsCSV, MetricsState
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.position import Position
from hpnets.training.run_folder import RunFolder
from hpnets.training.terminal import Bar, Lines
from hpnets.training.track import KernelTrack
from hpnets.training.wandb_content import size
from hpnets.training.wandb_log import WandbLog, WandbPast, resolve_mode


def make_monitor(
    ntk: NTKOptions, net: nn.Module, task: Task, run: RunFolder, adversary: Adversary | None = None
) -> NTKMonitor | None:
    """The kernel callback on the task's probe set, tried on one sample; None if ntk.every is "off".

    adversary: attacks the probe set at each measurement, if its options say so.
    """
    if ntk.every == "off":
        return None
    if ntk.probe > len(task.train_set):
        raise ValueError(f"ntk.probe is {ntk.probe}; allowed: at most {len(task.train_set)}, the training samples")
    probe = task.probe(ntk.probe)
    monitor = NTKMonitor(
        probe.x,
        probe.y,
        every=ntk.every,
        outputs=ntk.outputs,
        metrics=None if ntk.metrics == "all" else ntk.metrics,
        algorithm=ntk.algorithm,
        file=run.kernel,
        indices=probe.indices,
        save_kernels=ntk.save_kernels,
        batch_statistics=statistics_source(ntk, task),
        attacked=adversary.on_probe(probe.y) if adversary and adversary.options.probe == "adversarial" else None,
        blocks=patterns_in(ntk.blocks),
    )
    monitor.check(net, task.train_dataloader())
    return monitor


def make_curvature(options: CurvatureOptions, ntk: NTKOptions, net: nn.Module, task: Task) -> CurvatureMonitor | None:
    """The curvature callback on one batch of training samples, tried on it; None if curvature.every is "off"."""
    if options.every == "off":
        return None
    if not isinstance(task, SupervisedTask):
        raise ValueError(f"curvature.every is {options.every!r}; allowed for models that generate pictures: 'off'")
    if options.probe > len(task.train_set):
        most = f"at most {len(task.train_set)}, the training samples"
        raise ValueError(f"curvature.probe is {options.probe}; allowed: {most}")
    x, y = task.probe_batch(options.probe)
    source = statistics_source(ntk, task)
    monitor = CurvatureMonitor(x, y, task.loss, every=options.every, k=options.k, batch_statistics=source)
    try:
        monitor.check(net, task.train_dataloader())
    except ValueError as error:
        raise ValueError(f"curvature: {error}") from None
    return monitor


def statistics_source(ntk: NTKOptions, task: Task) -> Source:
    """The source of BatchNorm's statistics: for a generator latents, since its batches are pictures, not inputs."""
    if ntk.batch_statistics == "estimate" and isinstance(task, GenerationTask):
        return list(task.latents(BATCHES * ROWS).split(ROWS))
    return ntk.batch_statistics


def make_callbacks(
    options: RunOptions,
    monitor: NTKMonitor | None,
    curvature: CurvatureMonitor | None,
    task: Task,
    run: RunFolder,
    metrics: MetricsCSV,
) -> list[Callback]:
    """All callbacks, in the order that they need: those that measure come before those that keep results and save."""
    o = options.trainer
    every = o.save_every if isinstance(o.save_every, int) else None
    best = LastAndBest(run.checkpoints, task.monitor, task.monitor_mode, every, seconds(o.save_every))
    tracking = [m for m in (monitor, curvature) if m is not None]
    measuring = [*tracking, *make_harmonics(task), EpochPicture(task, run.picture)]
    past = WandbPast(metrics, lambda: monitor.track if monitor else KernelTrack())
    printing = [Lines(options, run.path), *([Bar()] if sys.stdout.isatty() else [])]
    keeping = [MetricsState(metrics), KeepOptions(options), *printing, Position(), best]
    return [SeedEpochs(options.seed), past, *measuring, *keeping]


def make_harmonics(task: Task) -> list[Callback]:
    """The callback of the residual's harmonics on the training points, for a task made of harmonics; else []."""
    if not isinstance(task, SphereTask) or len(task.train_set) < len(task.degrees):
        return []
    x, y = task.train_set.batch(range(len(task.train_set)))
    return [HarmonicMonitor(x, y, task.direction, task.degrees)]


def make_trainer(options: RunOptions, loggers: list[Any], callbacks: list[Callback]) -> pl.Trainer:
    """Lightning's Trainer; raises ValueError for devices, strategies or precisions that are not available here."""
    o = options.trainer
    try:
        return pl.Trainer(
            max_epochs=o.max_epochs if o.max_steps == -1 else -1,
            max_steps=o.max_steps,
            accumulate_grad_batches=o.accumulate_grad_batches,
            **validation(o),
            devices=o.devices,
            num_nodes=o.num_nodes,  # type: ignore[arg-type]
            accelerator=o.accelerator,
            strategy=o.strategy,
            precision=o.precision,  # type: ignore[arg-type]
            deterministic=o.deterministic,
            logger=loggers,
            callbacks=callbacks,
            plugins=[WholeCheckpointIO()],
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_model_summary=False,
            enable_progress_bar=sys.stdout.isatty(),
        )
    except (MisconfigurationException, ValueError, RuntimeError, ImportError) as error:
        raise ValueError(f"trainer options {vars(o)} cannot be run here: {str(error).strip()}") from None


def make_wandb(options: RunOptions, run: RunFolder, net: nn.Module, task: Task) -> WandbLog | None:
    """wandb's logger on the first rank; None on other ranks, and if wandb is off."""
    mode = resolve_mode(options.wandb.mode) if is_first_rank() else "off"
    if mode == "off":
        return None
    config = {**options.to_dict(), **size(underlying(net), task.input_shape)}
    return WandbLog(run.path, replace(options.wandb, mode=mode), config)


def is_first_rank() -> bool:
    """Whether this process is rank 0, as known from the environment before a Trainer exists."""
    return getattr(rank_zero_only, "rank", 0) == 0


def quiet_lightning() -> None:
    """Keep Lightning's warnings, without banners, advice that does not fit small data, and its own deprecations."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    unneeded = (
        "does not have many workers",
        "exists and is not empty",
        "smaller than the logging interval",
        "LeafSpec",
        "sync_dist=True",
        "ended before the epoch ended",  # TrainSampler is
        "in eval mode at the start of training",  # the norms of frozen parts
        "torch.jit.script. is deprecated",  # torch itself calls it in its first jvp
        "Total length of `list` across ranks is zero",  # no validation samples
    )
    for advice in unneeded:
        warnings.filterwarnings("ignore", message=f".*{advice}.*")
