"""docs/results/zoo/spectra.json has the kernel's eigenvalues at the end of each run and of its additive twin's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpnets.training import RunFolder

Spectra = dict[str, list[list[float]]]


def record_spectra(results: Path, cell: str, runs: "Sequence[RunFolder]", twins: "Sequence[RunFolder]") -> None:
    """Enter a cell's eigenvalues: {"ours": one list for each seed, "twin": the same or []}, descending, four digits."""
    write_spectra(results, cell, eigenvalues(runs), twins)


def write_spectra(results: Path, cell: str, ours: list[list[float]], twins: "Sequence[RunFolder]") -> None:
    """Enter a cell's eigenvalues `ours`, beside those of the twins' runs."""
    from hpnets.atomic_files import write_text

    spectra = {**read_spectra(results), cell: {"ours": ours, "twin": eigenvalues(twins)}}
    lines = [f"{json.dumps(name)}: {json.dumps(spectra[name])}" for name in sorted(spectra)]
    write_text(results / "spectra.json", "{\n" + ",\n".join(lines) + "\n}\n")


def read_spectra(results: Path) -> dict[str, Spectra]:
    """The recorded spectra by cell; {} if there are none yet."""
    file = results / "spectra.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def eigenvalues(runs: "Sequence[RunFolder]") -> list[list[float]]:
    """The last measured spectrum of each run whose kernel was tracked."""
    from hpnets.atomic_files import read_tensors

    tracked = [run.kernel for run in runs if run.kernel.is_file()]
    return [[float(f"{value:.4g}") for value in read_tensors(path)["spectra"][-1].tolist()] for path in tracked]
