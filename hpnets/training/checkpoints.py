"""Checkpoints for resuming: they are written atomically, checked before they are read, and never unpickled."""

import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from hpnets.atomic_files import write_whole
from hpnets.training.lit import check_weights
from hpnets.training.position import between_steps
from hpnets.training.schedule import is_due


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The content of a .ckpt file, as plain types and tensors.

    torch.load does not compare the checksums in its archive, so they are compared here. Raises ValueError, with nothing
    executed, if the file is missing, truncated or damaged, or holds pickled code.
    """
    if not path.is_file():
        raise ValueError(f"no such checkpoint: {path.absolute()}")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise zipfile.BadZipFile(f"the checksum of {damaged} differs")
        return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} holds pickled code, which is never executed: {reason}") from None
    except Exception as error:  # a damaged archive can raise nearly anything
        raise ValueError(f"{path} is damaged or no checkpoint: {error}") from None


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's file access by `write_whole` and `read_checkpoint`.

    Its parent renames from the system's temporary folder, which is a copy, not atomic, across file systems.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_whole(Path(path), lambda temporary: _save(checkpoint, temporary))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location or "cpu")


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    """Call torch.save with an open file: given a path, it would write the temporary name into the archive."""
    with path.open("wb") as file:
        torch.save(checkpoint, file)


class LastAndBest(ModelCheckpoint):
    """Saves last.ckpt at each epoch's end, and best.ckpt (by `monitor`) after each validation that is better.

    every: last.ckpt is saved after so many steps too; seconds: after so much time too. In mid-epoch both are saved
    before the first batch of a step, as `Position` needs. Raises NonFiniteError instead of saving weights that hold NaN
    or Inf. Its parent forgets the best score if the folder was moved before the run is resumed, and saves last.ckpt
    only with best.ckpt; this class does neither.
    """

    def __init__(
        self, folder: Path, monitor: str, mode: str, every: int | None = None, seconds: float | None = None
    ) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.every, self.seconds = every, seconds
        self._due = self._validated = False
        self._step, self._saved = 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._step, self._saved = trainer.global_step, time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        since, self._step = self._step, trainer.global_step
        self._due |= self.every is not None and is_due(self.every, since, self._step)
        if self.seconds is not None:
            self._due |= trainer.strategy.broadcast(time.monotonic() - self._saved > self.seconds)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = trainer.state.fn == TrainerFn.FITTING

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if (self._due or self._validated) and between_steps(trainer):
            check_weights(pl_module)
            self._save(trainer, last=self._due)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer, last=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save nothing, unlike the parent: the last epoch's end is saved already."""

    def _save(self, trainer: pl.Trainer, last: bool) -> None:
        candidates = self._monitor_candidates(trainer)
        if self._validated:
            self._save_topk_checkpoint(trainer, candidates)
        if last:
            self._save_last_checkpoint(trainer, candidates)
            self._due, self._saved = False, time.monotonic()
        self._validated = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        moved = {k: here(v) if isinstance(v, str) and k.endswith("path") else v for k, v in state_dict.items()}
        moved["best_k_models"] = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**moved, "dirpath": self.dirpath})


def best_score(trainer: pl.Trainer) -> dict[str, float]:
    """{monitor: the score of best.ckpt}; {} if there is none, or none that is finite."""
    kept = trainer.checkpoint_callback
    if not isinstance(kept, LastAndBest) or kept.best_model_score is None or not kept.best_model_score.isfinite():
        return {}
    return {str(kept.monitor): float(kept.best_model_score)}
