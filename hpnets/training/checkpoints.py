"""Checkpoints for resuming: they are written atomically, checked before they are read, and never unpickled."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from hpnets.atomic_files import write_whole


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
    """Saves last.ckpt and best.ckpt (by `monitor`) in `folder` at the end of each epoch.

    Its parent forgets the best score if the folder was moved before the run is resumed; this class keeps it.
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        moved = {k: here(v) if isinstance(v, str) and k.endswith("path") else v for k, v in state_dict.items()}
        moved["best_k_models"] = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**moved, "dirpath": self.dirpath})
