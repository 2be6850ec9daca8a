"""Trains each of NETS on the ranks that it is given and writes what each rank logs: ddp_script.py FOLDER DEVICES."""

import json
import sys
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch

from hpnets.models import create_model
from hpnets.options import AdversarialOptions, OptimOptions
from hpnets.tasks import create_task
from hpnets.training import CurvatureMonitor, LitModel, NTKMonitor
from hpnets.training.assemble import quiet_lightning
from hpnets.training.dynamics import with_dynamics
from hpnets.training.loggers import MetricsCSV

CCP: dict[str, Any] = {"name": "ccp", "degree": 3, "width": 16}
NETS: dict[str, dict[str, Any]] = {"ccp": CCP, "resnet18": {"name": "resnet18", "width": 4}}
NETS |= {"attacked": CCP, "linearised": CCP}
ATTACKS = {"attacked": AdversarialOptions(0.1, mix="both", probe="adversarial")}


class KeysOfRank(pl.Callback):
    """Collects every metric name that reaches this rank's callbacks."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        callbacks = cast(Any, trainer).callbacks
        monitor = next(c for c in callbacks if isinstance(c, NTKMonitor))
        values = {
            "keys": sorted(trainer.callback_metrics),
            "steps": monitor.track.steps,
            "metrics": monitor.track.metrics,
            "curvature": next(c for c in callbacks if isinstance(c, CurvatureMonitor)).values,
            "estimated": monitor.track.estimated,
            "robust": float(trainer.callback_metrics.get("val/robust_accuracy", 0)),
            "weights": float(sum(p.double().sum() for p in pl_module.parameters())),
        }
        file = self.folder / f"{self.name}{trainer.global_rank}.json"
        file.write_text(json.dumps(values))
        torch.save({"first": monitor.track.first, "last": monitor.track.last}, file.with_suffix(".pt"))


def train_all(folder: Path, devices: int) -> None:
    """Each net in turn, by the same processes."""
    quiet_lightning()
    for name in NETS:
        train(folder, devices, name)


def train(folder: Path, devices: int, name: str) -> None:
    """Two epochs of 9 steps; 20 probe samples, which 3 ranks do not share evenly."""
    pl.seed_everything(0, verbose=False)
    task = create_task("digits", batch_size=132)
    net = create_model(input_shape=task.input_shape, output_dim=task.output_dim, **NETS[name])
    net = with_dynamics(net, name if name == "linearised" else "network")
    module, probe = LitModel(net, task, OptimOptions(lr=0.003), ATTACKS.get(name)), task.probe(20)
    attacked = module.adversary.on_probe(probe.y) if module.adversary else None
    curvature = CurvatureMonitor(*task.probe_batch(20), task.loss, every=9)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        logger=MetricsCSV(folder / f"{name}.csv"),
        callbacks=[NTKMonitor(probe.x, probe.y, every=6, attacked=attacked), curvature, KeysOfRank(folder, name)],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=task)


if __name__ == "__main__":
    train_all(Path(sys.argv[1]), int(sys.argv[2]))
