"""Trains on the ranks that it is given and writes what each rank has logged: ddp_script.py FOLDER DEVICES MODEL."""

import json
import sys
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch

from hpnets.models import create_model
from hpnets.options import OptimOptions
from hpnets.tasks import create_task
from hpnets.training import LitModel, NTKMonitor
from hpnets.training.assemble import quiet_lightning
from hpnets.training.loggers import MetricsCSV


class KeysOfRank(pl.Callback):
    """Collects every metric name that reaches this rank's callbacks."""

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        monitor = next(c for c in cast(Any, trainer).callbacks if isinstance(c, NTKMonitor))
        folder = Path(sys.argv[1])
        values = {
            "keys": sorted(trainer.callback_metrics),
            "steps": monitor.track.steps,
            "metrics": monitor.track.metrics,
            "estimated": monitor.track.estimated,
            "weights": float(sum(p.double().sum() for p in pl_module.parameters())),
        }
        (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(values))
        torch.save({"first": monitor.track.first, "last": monitor.track.last}, folder / f"rank{trainer.global_rank}.pt")


def main(folder: Path, devices: int, model: str, **options: object) -> None:
    quiet_lightning()
    pl.seed_everything(0, verbose=False)
    task = create_task("digits", batch_size=132)
    net = create_model(model, input_shape=task.input_shape, output_dim=task.output_dim, **options)
    probe = task.probe(21)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        logger=MetricsCSV(folder / "metrics.csv"),
        callbacks=[NTKMonitor(probe.x, probe.y, every=6), KeysOfRank()],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(LitModel(net, task, OptimOptions(lr=0.003)), datamodule=task)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], **json.loads(sys.argv[4]))
