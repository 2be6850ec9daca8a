"""The weights that a run starts from: those of a pretrained network, of another run, or of a checkpoint."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor, nn

from hpnets.atomic_files import read_tensors, sha256_of
from hpnets.models.head import head_name
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.read_back import read_summary
from hpnets.training.run_folder import RunFolder
from hpnets.zoo import pretrained_weights

SHOWN = 4  # names in a message


@dataclass(frozen=True)
class Start:
    """Where weights came from: the file's hash, how many tensors were taken, and the names of all others.

    drawn: those of the network that the source has not; left: those of the source that the network has not.
    """

    source: str
    sha256: str
    taken: int
    drawn: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rest = [("drawn anew", self.drawn), ("left out", self.left)]
        parts = [f"{what}: {_listed(names)}" for what, names in rest if names]
        return "; ".join([f"{self.taken} tensors are from {self.source}", *parts])


def start_from(net: nn.Module, source: str) -> Start:
    """Copy into `net` every tensor of `source` that has its name and shape there.

    source: a pretrained network's name, the folder of a finished run, or a .ckpt file. Raises ValueError for one that
    cannot be read, and for weights that fit nothing: no matrix or filter but those of the head.
    """
    weights, sha256 = read_weights(source)
    own = net.state_dict()
    fits = {name: t for name, t in weights.items() if name in own and own[name].shape == t.shape}
    if not any(name in fits for name in _body(net)):
        raise ValueError(
            f"init_from is {source!r}, whose weights fit nothing in the network; {_compared(weights, own)}"
        )
    net.load_state_dict(fits, strict=False)
    drawn = [name for name in own if name not in fits]
    return Start(source, sha256, len(fits), drawn, [name for name in weights if name not in own])


def _body(net: nn.Module) -> list[str]:
    """The names of the matrices and filters outside the last linear layer; of all, if there are no others."""
    matrices = [name for name, p in net.named_parameters() if p.ndim >= 2]
    try:
        head = f"{head_name(net)}."
    except ValueError:
        return matrices
    return [name for name in matrices if not name.startswith(head)] or matrices


def read_weights(source: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a source of weights, by name, and the hash of their file."""
    if os.path.isdir(source):
        folder = RunFolder(Path(source))
        if not folder.summary.is_file():
            raise ValueError(
                f"init_from is {source!r}; allowed: a run that has ended, or a .ckpt file of one that has not"
            )
        sha256 = read_summary(folder.summary)["sha256"]
        return read_tensors(folder.weights, sha256), sha256
    if source.endswith(".ckpt"):
        return network_of(read_checkpoint(Path(source))["state_dict"]), sha256_of(Path(source))
    if "/" in source:
        raise ValueError(f"init_from is {source!r}; allowed: a pretrained network, a run folder or a .ckpt file")
    return pretrained_weights(source)


def network_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the network that a checkpoint publishes: the averaged one, where there is one."""
    prefixes = ("average.module.", "average.", "net.")
    prefix = next((p for p in prefixes if any(name.startswith(p) for name in state)), "net.")
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}


class KeepStart(pl.Callback):
    """Keeps in every checkpoint where the weights came from, for the summary of a run that is resumed."""

    def __init__(self, start: Start | None) -> None:
        self.start = start

    def state_dict(self) -> dict[str, Any]:
        return vars(self.start) if self.start else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.start = Start(**state_dict) if state_dict else None


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _compared(weights: dict[str, Tensor], own: dict[str, Tensor]) -> str:
    """The first tensors of both that are matrices or filters, with their shapes."""
    there, here = ([f"{name} {tuple(t.shape)}" for name, t in d.items() if t.ndim >= 2] for d in (weights, own))
    return f"allowed: weights of its shapes. There are {_listed(there)}; the network has {_listed(here)}"
