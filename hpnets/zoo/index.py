"""checkpoints/index.json says what each published file of weights is, how it was made, and how to recognise it."""

import json
import re
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_json
from hpnets.registry import nearest

INDEX = "index.json"


@dataclass(frozen=True)
class Entry:
    """One set of published weights.

    name: what load_pretrained takes. file, sha256: the safetensors file beside the index, and its hash. model, task:
    "name" and options. input_shape, output_dim: the model's. preprocessing: arguments of torchvision's v2.Normalize in
    raw units, or {}. seeds: the seeds of the runs; the first run gave the weights. metrics: name -> {"weights": that of
    these weights, "mean", "std": over the seeds}. command: the command that trains the weights again. versions: those
    of the packages. parameters, flops, products: as `hpnets.models.cost` counts them, for one sample. seconds: the time
    of a run, {"mean", "std", "threads"}. kernel: the tracked kernel at the end, with the size "probe" of the probe set,
    the output selection "outputs", "zero_gradient", the share of the parameters without gradient at the start, the
    "decay_window", and name -> {"mean", "std"}, or None where a run has no value; {} if the kernel was not tracked.
    twin: the additive twin, {"model", "seeds", "metrics", "kernel", "difference": name -> {"mean", "std"} of ours minus
    the twin's, seed by seed, "tuning"}; None for a network without a product. Its "tuning" is {"rates": those that both
    were tried at, "net", "twin": what validation chose for each, "at_edge": which of them is an end of the grid,
    "net_metrics": our metrics at our rate, which the difference is of, "seconds": what all these runs took}; None or
    missing where the twin was not tuned.
    fingerprint: the size "probe" of the probe set, and the kernel's "trace" and largest "eigenvalues" on it.
    """

    name: str
    file: str
    sha256: str
    model: dict[str, Any]
    task: dict[str, Any]
    input_shape: list[int]
    output_dim: int
    preprocessing: dict[str, list[float]]
    seeds: list[int]
    metrics: dict[str, dict[str, float]]
    command: str
    versions: dict[str, str | None]
    parameters: int
    flops: int
    products: int
    seconds: dict[str, float]
    kernel: dict[str, Any]
    twin: dict[str, Any] | None
    fingerprint: dict[str, Any]

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Entry":
        """An entry from its json form; raises ValueError for a missing or unknown field, or an invalid sha256."""
        known = {field.name for field in fields(cls)}
        if set(value) != known:
            wrong = sorted(set(value) ^ known)
            raise ValueError(f"index entry {value.get('name')!r}: fields {', '.join(wrong)} are missing or unknown")
        if not re.fullmatch("[0-9a-f]{64}", str(value["sha256"])):
            raise ValueError(f"index entry {value['name']!r}: sha256 is {value['sha256']!r}; allowed: 64 hex digits")
        return cls(**value)


def checkpoints_folder() -> Path:
    """The folder `checkpoints` of the installed package, or else of the checkout."""
    packaged = Path(__file__).parent / "checkpoints"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "checkpoints"


def entries(folder: Path | None = None) -> dict[str, Entry]:
    """The entries in the index of `folder`, by name; None means the shipped index."""
    index = (folder or checkpoints_folder()) / INDEX
    entries = [Entry.from_dict(value) for value in json.loads(index.read_text())] if index.is_file() else []
    return {entry.name: entry for entry in entries}


def list_pretrained(pattern: str = "*") -> list[str]:
    """The sorted names of the pretrained networks that match a shell pattern such as "*-digits"."""
    return sorted(name for name in entries() if fnmatch(name, pattern))


def pretrained_entry(name: str, folder: Path | None = None) -> Entry:
    """The index entry of `name`; raises ValueError with the nearest names if there is none."""
    index = entries(folder)
    if name not in index:
        raise ValueError(f"unknown checkpoint {name!r}; {nearest(name, index)}")
    return index[name]


def add_entry(entry: Entry, folder: Path) -> None:
    """Write `entry` into the index of `folder`; it replaces an entry of the same name."""
    index = {**entries(folder), entry.name: entry}
    write_json(folder / INDEX, [asdict(index[name]) for name in sorted(index)])
