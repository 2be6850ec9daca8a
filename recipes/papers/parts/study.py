"""A study: named cells of work, each kept as json when it is done, so that a stopped study goes on where it was."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpnets.atomic_files import remove_partial, write_json

Found = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One piece of work, compute(**given, device=device) -> json-able dict; `name` is its file's name."""

    name: str
    compute: Callable[..., Found]
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """The folder `out` with <out>/cells/<name>.json, one file a cell.

    Processes that torchrun starts share the cells, rank r of R those numbered r, r + R, ..; all wait for the others'
    files. Raises ValueError, before any work, if a file holds a cell that was made with other options, or if the folder
    cannot be written.
    """

    out: Path
    device: str

    def run(self, cells: list[Cell]) -> dict[str, Found]:
        """What each cell found, by name; only cells without a file are computed."""
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self._make_folder()
        if world == 1:
            remove_partial(self.out)
        for cell in cells:
            self._check(cell)
        commit = here()["commit"] or "?"
        for number, cell in enumerate(cells):
            if number % world == rank and not self._path(cell).is_file():
                started = time.time()
                found = cell.compute(**cell.given, device=self.device)
                seconds = round(time.time() - started, 2)
                done = {"given": cell.given, "seconds": seconds, "commit": commit, "found": found}
                write_json(self._path(cell), done)
                print(f"  {cell.name}: {seconds:.1f} s", flush=True)
        return {cell.name: self._read(cell)["found"] for cell in cells}

    @property
    def origin(self) -> dict[str, Any]:
        """Command and environment of this process, and the number of cells that were computed at each commit.

        A stopped study may go on at another commit.
        """
        commits = Counter(json.loads(path.read_text())["commit"] for path in (self.out / "cells").glob("*.json"))
        return {
            "command": " ".join(["python", *sys.argv]),
            "environment": here(),
            "commits": dict(sorted(commits.items())),
        }

    @property
    def is_first(self) -> bool:
        """Whether this process writes the results."""
        return int(os.environ.get("RANK", 0)) == 0

    def seconds(self) -> float:
        """What all cells of the folder took, together."""
        return sum(json.loads(path.read_text())["seconds"] for path in (self.out / "cells").glob("*.json"))

    def _make_folder(self) -> None:
        try:
            (self.out / "cells").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"out is {str(self.out)!r}, which cannot be written: {error}") from None

    def _path(self, cell: Cell) -> Path:
        return self.out / "cells" / f"{cell.name}.json"

    def _check(self, cell: Cell) -> None:
        path = self._path(cell)
        if path.is_file() and json.loads(path.read_text())["given"] != json.loads(json.dumps(cell.given)):
            raise ValueError(f"out is {str(self.out)!r}, where {path.name} was made with other options: give another")

    def _read(self, cell: Cell) -> Found:
        while not self._path(cell).is_file():
            time.sleep(0.2)  # another rank is at work
        return json.loads(self._path(cell).read_text())


@dataclass(frozen=True)
class Finished(Study):
    """A study that <out>/results.json holds, whose claims, tables and pictures are made again; nothing is computed.

    Raises ValueError if the file is missing, or lacks one of the cells.
    """

    device: str = "cpu"

    def run(self, cells: list[Cell]) -> dict[str, Found]:
        found = self._results()["found"]
        if lost := [cell.name for cell in cells if cell.name not in found]:
            raise ValueError(
                f"out is {str(self.out)!r}, whose results.json lacks {lost[0]}: give the options of its run"
            )
        return dict(found)

    @property
    def origin(self) -> dict[str, Any]:
        return {key: self._results()[key] for key in ("command", "environment", "commits")}

    def seconds(self) -> float:
        return float(self._results()["seconds"])

    def _results(self) -> dict[str, Any]:
        path = self.out / "results.json"
        if not path.is_file():
            raise ValueError(f"out is {str(self.out)!r}; allowed with render: a folder with results.json")
        return dict(json.loads(path.read_text()))


def here() -> dict[str, Any]:
    """The environment of this process."""
    from hpnets.training.run_folder import environment

    return environment()


def study_of(out: str, device: str, render: bool) -> Study:
    """The study in the folder `out`, to be computed, or to be rendered once more."""
    return Finished(Path(out)) if render else Study(Path(out), device_of(device))


def device_of(name: str) -> str:
    """The torch device called cpu, cuda or auto, of this rank; ValueError if there is no GPU."""
    import torch

    if name not in ("auto", "cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"device is {name!r}; allowed here: auto, cpu{', cuda' if torch.cuda.is_available() else ''}")
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name != "cpu" and torch.cuda.is_available() else "cpu"


def seeds_of(count: int) -> list[int]:
    """0 .. count - 1; ValueError for fewer than the three that a spread needs."""
    if count < 3:
        raise ValueError(f"seeds is {count}; allowed: at least 3, so that there is a spread")
    return list(range(count))
