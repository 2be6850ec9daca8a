"""Plain gradient descent on small sphere tasks, for the tests."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from hpnets.options import OptimOptions
from hpnets.tasks import create_task
from hpnets.tasks.sphere import SphereTask
from tests.training.quiet import quiet_trainer


def sphere(**options: object) -> SphereTask:
    """A small sphere task, set up."""
    task = create_task("sphere", **{"dim": 3, "degrees": (1, 2, 4), "amplitude": 1.0, "test_size": 20, **options})
    assert isinstance(task, SphereTask)
    task.setup()
    return task


def fit(
    module: pl.LightningModule,
    task: pl.LightningDataModule,
    *callbacks: pl.Callback,
    epochs: int,
    checkpoint: Path | None = None,
    **options: Any,
) -> pl.Trainer:
    """A fit without validation, from a checkpoint if there is one."""
    quiet = {"max_epochs": epochs, "limit_val_batches": 0, "use_distributed_sampler": False}
    trainer = quiet_trainer(*callbacks, **quiet, **options)
    trainer.fit(module, datamodule=task, ckpt_path=checkpoint, weights_only=True)
    return trainer


def plain(lr: float) -> OptimOptions:
    """Gradient descent: SGD without momentum."""
    return OptimOptions("sgd", lr, momentum=0.0)


def points(task: SphereTask) -> tuple[Tensor, Tensor]:
    """All training points and targets."""
    return task.train_set.batch(range(len(task.train_set)))
