"""Training batches of classes made softer: mixup of pairs of samples, and label smoothing."""

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from hpnets.options import OptimOptions
from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.kinds import ClassificationTask

Batch = tuple[Tensor, Tensor]


def check_soft_labels(task: SupervisedTask, optim: OptimOptions) -> None:
    """Raise ValueError for mixup or label smoothing on a task without classes, or batches of one sample to be mixed."""
    for name in ("mixup", "label_smoothing"):
        value = getattr(optim, name)
        if value and not isinstance(task, ClassificationTask):
            raise ValueError(f"optim.{name} is {value}; allowed for task {task.name!r}, which has no classes: 0")
    if optim.mixup and task.batch_size < 2:
        raise ValueError(f"task.batch_size is {task.batch_size}; allowed with optim.mixup: >= 2")


def soft_batch(module: pl.LightningModule, task: SupervisedTask, optim: OptimOptions, batch: Batch, k: int) -> Batch:
    r"""The inputs (n, ...) and targets of batch k of an epoch: labels as they are, or probabilities (n, classes).

        x_i <- l x_i + (1 - l) x_pi(i),  t_i <- l t_i + (1 - l) t_pi(i),  l ~ Beta(mixup, mixup)
        t <- (1 - s) t + s / classes,                                     s = label_smoothing

    t is one-hot at first; l and the permutation pi of the batch over all ranks are functions of (task.seed, epoch, k).
    Sources: Zhang et al. 2018 (arXiv 1710.09412); Szegedy et al. 2016 (arXiv 1512.00567).
    """
    x, y = batch
    if not (optim.mixup or optim.label_smoothing):
        return batch
    targets = task.targets(y).to(x.dtype)
    if optim.mixup:
        generator = np.random.default_rng([task.seed, module.current_epoch, k])
        share = float(generator.beta(optim.mixup, optim.mixup))
        everything = _of_all_ranks(module, x), _of_all_ranks(module, targets)
        order = torch.from_numpy(generator.permutation(len(everything[0])))
        order = order[module.global_rank :: module.trainer.world_size]
        x, targets = (share * a + (1 - share) * b[order] for a, b in zip((x, targets), everything, strict=True))
    s = optim.label_smoothing
    return x, (1 - s) * targets + s / targets.shape[1]


def _of_all_ranks(module: pl.LightningModule, rows: Tensor) -> Tensor:
    """The rows of a batch over all ranks, in the order of one process: rank r has the rows r, r + world, ..."""
    if module.trainer.world_size == 1:
        return rows
    parts = module.all_gather(rows)
    assert isinstance(parts, Tensor)
    return parts.transpose(0, 1).flatten(0, 1)
