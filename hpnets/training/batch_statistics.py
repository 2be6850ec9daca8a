"""BatchNorm's statistics for measurements in training: they are estimated until the running ones are those of data."""

import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler

from hpnets.ntk import estimated_statistics, statistics_remember_start
from hpnets.training.measured_network import eval_mode

Source = Literal["estimate", "running"] | Sequence[Tensor]

BATCHES, ROWS = 8, 128  # statistics are estimated on at most so many batches of at most so many samples
INSTEAD = "batch_statistics=[x, ...] takes inputs (n, ...) of the network, 'running' its own statistics"


class BatchStatistics:
    """Lends a network statistics that are estimated on training inputs, while its own remember their start.

    Every measurement, also of a resumed fit, uses the same inputs, and every rank has rank 0's statistics.

    Args:
        source: "estimate" takes inputs of the trainer's train dataloader (`training_inputs`); "running" keeps the
            network's own statistics, and warns; a list of inputs (n, ...) gives the batches themselves.
        x: the inputs (N, ...) that the network is measured on; training inputs must have their shape.
    """

    def __init__(self, source: Source, x: Tensor) -> None:
        self.source, self.shape = source, x.shape[1:]
        self._inputs: Sequence[Tensor] | None = None
        if source not in ("estimate", "running") if isinstance(source, str) else not len(source):
            raise ValueError(f"batch_statistics is {source!r}; allowed: 'estimate', 'running' or a list of inputs")
        if not isinstance(source, str):
            self._check(source)

    def start(self, net: nn.Module) -> None:
        """Forget the inputs of another fit; warn if "running" statistics are not yet those of data."""
        self._inputs = None
        if self.source == "running" and _remembers(net):
            warnings.warn(
                "BatchNorm's running statistics still remember the mean 0 and the variance 1 that they start with: "
                "what is measured is of a network that training never meets, and drift is measured against it "
                "(batch_statistics='estimate' takes training batches)",
                stacklevel=3,
            )

    @contextmanager
    def lent(self, net: nn.Module, trainer: pl.Trainer | None, loader: object = None) -> Iterator[bool]:
        """Put `net` in eval mode for a measurement, then back; yields whether its statistics are estimated.

        loader: the train dataloader, if there is no trainer yet.
        """
        estimated = self.source != "running" and _remembers(net)
        if not estimated:
            self._inputs = None
        p = next(net.parameters())
        inputs = (x.to(p) for x in self._take(trainer, loader)) if estimated else iter(())
        with estimated_statistics(net, inputs) if estimated else nullcontext(), eval_mode(net):
            share_buffers(net)
            yield estimated

    def _take(self, trainer: pl.Trainer | None, loader: object) -> Sequence[Tensor]:
        """The inputs to estimate on, which are read once in a fit."""
        if not isinstance(self.source, str):
            return self.source
        if trainer is None:
            return self._check(training_inputs(loader))
        if self._inputs is None:
            # Batches go through the module's hooks, such as on_after_batch_transfer, which may normalise them.
            self._inputs = self._check(training_inputs(trainer.train_dataloader, trainer.strategy.batch_to_device))
        return self._inputs

    def _check(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        wrong = [tuple(x.shape) for x in inputs if x.shape[1:] != self.shape]
        if wrong:
            raise ValueError(f"training inputs have shape {wrong[0]}; allowed: (n, *{tuple(self.shape)}). {INSTEAD}")
        return inputs


def training_inputs(loader: object, prepare: Callable[[Any], Any] = lambda batch: batch) -> list[Tensor]:
    """The x of at most 1024 samples of a DataLoader, in batches of at most 128, on the CPU, the same at every call.

    Rows are drawn from the data set by its length alone (or from a SubsetRandomSampler's subset), not by the loader's
    sampler, so that order, rank and batch size do not matter. Random transforms start from fixed seeds, and the random
    states of torch, numpy and Python are put back.

    Raises ValueError for a loader whose data set is not read by row, and for batches that do not begin with a tensor x.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        what = type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__
        raise ValueError(
            f"BatchNorm needs training inputs, and the train dataloader, of a {what}, cannot be read by row without "
            f"disturbing it: {INSTEAD}"
        )
    with isolate_rng():
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002  (old transforms draw from numpy's global RNG)
        random.seed(0)
        batches = DataLoader(loader.dataset, collate_fn=loader.collate_fn, **_dealt(loader))
        return [_first(prepare(batch)) for batch in batches]


def _dealt(loader: DataLoader[Any]) -> dict[str, Any]:
    """The arguments of a DataLoader that gives the drawn rows of the data set of `loader` in batches."""
    own = loader.sampler
    known = list(own.indices) if isinstance(own, SubsetRandomSampler) else range(len(loader.dataset))  # type: ignore[arg-type]
    rows = random.Random(0).sample(known, min(len(known), BATCHES * ROWS))
    if loader.batch_sampler is None:  # each row of the data set is a whole batch
        return {"batch_size": None, "sampler": rows[:BATCHES]}
    count = math.ceil(len(rows) / ROWS)
    return {"batch_sampler": [rows[i::count] for i in range(count)]}


def share_buffers(net: nn.Module) -> None:
    """Give every rank the buffers of rank 0, as DDP does at its next forward; BatchNorm's statistics differ by rank."""
    if dist.is_available() and dist.is_initialized():
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)


def _remembers(net: nn.Module) -> bool:
    """Whether `net` trains with the statistics of its batches, while its running ones remember their start."""
    # A net that is frozen, in eval mode as a whole, also trains with its running statistics, so they are right.
    return any(module.training for module in net.modules()) and statistics_remember_start(net)


def _first(batch: Any) -> Tensor:
    x = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(x, Tensor):
        raise ValueError(
            f"batches of the train dataloader begin with a {type(x).__name__}; allowed: a tensor. {INSTEAD}"
        )
    return x.detach().cpu()
