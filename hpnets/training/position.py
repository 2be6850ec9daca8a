"""Where a run stands, in its checkpoints: a resumed run goes on with the next batch and draws what it would have."""

from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor

Counts = dict[str, Any]


def between_steps(trainer: pl.Trainer) -> bool:
    """Whether no batch waits for the others of its step; asked before a batch or at the end of an epoch."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.completed % trainer.accumulate_grad_batches == 0


class Position(pl.Callback):
    """Puts into each checkpoint, taken before a batch or at an epoch's end, what going on with the next batch needs.

    That is Lightning's counters as they are between two batches, and the random states of torch on every rank, as they
    were before the next batch was fetched. Within an epoch all else follows from (seed, epoch, rank).
    """

    def __init__(self) -> None:
        self._random: dict[str, Tensor] = {}
        self._cut: list[dict[str, Tensor]] = []  # the random states, by rank, that a cut run goes on with
        self._stepped: int | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self._random = _random_states(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._random = _random_states(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        cut = set_between_batches(loops, int(trainer.num_training_batches))
        checkpoint["random"] = _of_all_ranks(trainer, self._random) if cut else []

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._cut = checkpoint.get("random", [])
        self._stepped = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # This callback comes last, so that nothing draws between here and the first batch.
        if len(self._cut) == trainer.world_size:
            _set_random_states(trainer, self._cut[trainer.global_rank])
        elif self._cut:  # other ranks than those of the cut run have no states of their own
            torch.manual_seed(trainer.global_step * 1_009 + trainer.global_rank)
        self._cut, self._random = [], _random_states(trainer)

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if self._stepped is not None:
            # Lightning counts a step too many if it resumes where a validation was due; this counter is the step of
            # logged rows.
            trainer.fit_loop.epoch_loop._batches_that_stepped = self._stepped
            self._stepped = None


def set_between_batches(loops: dict[str, Any], batches: int) -> bool:
    """Set the counters of Lightning's fit loop to those between two batches; returns whether an epoch is unfinished.

    Saved in a hook, they are those of half-done work, and Lightning's ways of going on from them skip or repeat hooks.
    batches: those of an epoch.
    """
    batch, epoch = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    cut = batch["current"]["completed"] < batches
    for counts in (batch["total"], batch["current"]):
        counts.update(dict.fromkeys(("ready", "started", "processed"), counts["completed"]))
    for counts in (epoch["total"], epoch["current"]):
        begun = counts["started"]
        counts.update({"ready": begun, "processed": begun - cut, "completed": begun - cut})
    if not cut:
        batch["current"].update(dict.fromkeys(batch["current"], 0))
    batch["is_last_batch"] = False
    return cut


def _random_states(trainer: pl.Trainer) -> dict[str, Tensor]:
    device = trainer.strategy.root_device
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"torch": torch.get_rng_state(), **cuda}


def _set_random_states(trainer: pl.Trainer, states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    if "cuda" in states and trainer.strategy.root_device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), trainer.strategy.root_device)


def _of_all_ranks(trainer: pl.Trainer, states: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The states of every rank, by rank; every rank calls this, since all make the checkpoint that the first writes."""
    everyone: list[Any] = [states] * trainer.world_size
    if trainer.world_size > 1:
        dist.all_gather_object(everyone, states)
    return everyone
