"""The end of a run: the network is tested, and the files that hold its results are written."""

import math
import time
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
from torch import nn

from hpnets.ntk import fingerprint
from hpnets.options import RunOptions
from hpnets.tasks import Task
from hpnets.tasks.generation import GenerationTask
from hpnets.tasks.probe import Probe
from hpnets.training.checkpoints import best_score
from hpnets.training.curvature_monitor import CurvatureMonitor
from hpnets.training.dynamics import underlying
from hpnets.training.evaluation import evaluate
from hpnets.training.initial_weights import KeepStart
from hpnets.training.kept_data import make_predictions, write_predictions
from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN
from hpnets.training.loggers import MetricsCSV
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.run_folder import RunFolder
from hpnets.training.wandb_log import WandbLog


@dataclass(frozen=True)
class Parts:
    """What a run is made of; `start` says where its weights came from, `began` is the time of its start."""

    options: RunOptions
    run: RunFolder
    task: Task
    module: LitModel | LitGAN
    trainer: pl.Trainer
    monitor: NTKMonitor | None
    curvature: CurvatureMonitor | None
    metrics: MetricsCSV
    wandb: WandbLog | None
    probe: Probe
    start: KeepStart
    began: float


def finish(parts: Parts) -> dict[str, Any]:
    """Test the trained network and write its results, summary.json last; the summary, or {} on other ranks than 0."""
    trainer, task, run, step = parts.trainer, parts.task, parts.run, parts.trainer.global_step
    net, kept = parts.module.deployed(), make_predictions(task)
    results = evaluate(net, task, trainer.strategy.root_device, kept)
    predictions = kept.gathered() if kept else None
    if not trainer.is_global_zero:
        return {}
    if predictions:
        write_predictions(run.predictions, predictions, len(task.test_set))
    parts.metrics.log_metrics(results, step)
    parts.metrics.write()
    summary = run.finish(net, _summary(parts, net, results))
    if parts.wandb:
        parts.wandb.log_metrics(results, step)
        parts.wandb.log_results(run.kernel, run.weights)
        parts.wandb.close()
    return summary


def _summary(parts: Parts, net: nn.Module, results: dict[str, float]) -> dict[str, Any]:
    task, monitor, start = parts.task, parts.monitor, parts.start.start
    curved = parts.curvature.values if parts.curvature else []
    kernel = monitor.track.metrics[-1] if monitor and monitor.track.metrics else {}
    blocks = monitor.track.blocks if monitor else {}
    return {
        "model": parts.options.model["name"],
        "task": parts.options.task["name"],
        "parameters": sum(p.numel() for p in underlying(net).parameters()),
        "kernel": _plain(kernel),
        **({"blocks": {name: _plain(block.metrics[-1]) for name, block in blocks.items()}} if blocks else {}),
        **({"curvature": _plain(curved[-1])} if curved else {}),
        **({"features": task.features} if isinstance(task, GenerationTask) else {}),
        "fingerprint": {"probe": len(parts.probe.x), **fingerprint(net, parts.probe.x)},
        "best": best_score(parts.trainer),
        "metrics": results,
        "steps": parts.trainer.global_step,
        "seconds": round(time.time() - parts.began, 2),
        **({"init_from": vars(start)} if start else {}),
    }


def _plain(metrics: dict[str, float]) -> dict[str, float | None]:
    """Metrics for json, which has no NaN: None stands for it."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
