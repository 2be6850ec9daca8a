"""Cells are pieces of a study's work; each is kept as json when it is done, so that a stopped study can go on."""

import hashlib
import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_json, remove_partial, write_json
from hpnets.environment import commit, environment
from hpnets.study.results import Result, Results, as_json

Compute = Callable[..., dict[str, Any]]
# The greatest lengths of one option's text in a file's name, and of the name before its digest, which makes it unique.
OPTION_LENGTH, NAME_LENGTH = 16, 120


@dataclass(frozen=True)
class Cell:
    """A piece of work: compute(**options, device=device) returns what json can hold, and json can hold the options."""

    compute: Compute
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> str:
        """The name of the function; results are selected by it."""
        return self.compute.__name__

    @property
    def name(self) -> str:
        """The name of the cell's file: the function, its short options, and a digest of all options."""
        plain = [str(v) for v in self.options.values() if isinstance(v, str | int | float)]
        words = [self.function, *(text for text in plain if len(text) <= OPTION_LENGTH)]
        whole = json.dumps([self.function, self.options], sort_keys=True)
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{re.sub(r'[^A-Za-z0-9_.+-]', '_', '-'.join(words))[:NAME_LENGTH]}-{digest}"


def grid(compute: Compute, **axes: Any) -> list[Cell]:
    """One cell for each combination of the options; a tuple is an axis, anything else, also a list, is one value.

    The first axis varies slowest: grid(f, width=(8, 16), seed=(0, 1), steps=5) has widths 8, 8, 16, 16.
    """
    values = [value if isinstance(value, tuple) else (value,) for value in axes.values()]
    return [Cell(compute, dict(zip(axes, row, strict=True))) for row in itertools.product(*values)]


@dataclass(frozen=True)
class Study:
    """A study's folder `out`, with one file <out>/cells/<name>.json for each cell.

    Processes that torchrun starts share the cells: rank r of R computes those numbered r, r + R, .., and waits for the
    files of the others.
    """

    out: Path
    device: str

    def run(self, cells: Sequence[Cell]) -> Results:
        """The results of the cells, of which only those without a file are computed.

        Raises ValueError, before any work, if the folder cannot be written.
        """
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self._make_folder()
        if world == 1:
            remove_partial(self.out)
        here = commit() or "?"
        for number, cell in enumerate(distinct(cells)):
            if number % world == rank and not self._path(cell).is_file():
                self._compute(cell, here)
        return Results(tuple(self._read(cell) for cell in distinct(cells)))

    def origin(self, cells: Sequence[Cell]) -> dict[str, Any]:
        """This process's environment, the cells' seconds, and how many cells were computed at each commit."""
        files = [read_json(self._path(cell)) for cell in distinct(cells)]
        commits = Counter(file["commit"] for file in files)  # a stopped study may go on at another commit
        return {
            "environment": environment(),
            "commits": dict(sorted(commits.items())),
            "seconds": round(sum(file["seconds"] for file in files), 2),
        }

    def _compute(self, cell: Cell, here: str) -> None:
        started = time.time()
        result = cell.compute(**cell.options, device=self.device)
        seconds = round(time.time() - started, 2)
        done = {"function": cell.function, "options": cell.options, "seconds": seconds, "commit": here}
        write_json(self._path(cell), {**done, "result": result})
        print(f"  {cell.name}: {seconds:.1f} s", flush=True)

    def _make_folder(self) -> None:
        try:
            (self.out / "cells").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"out is {str(self.out)!r}, which cannot be written: {error}") from None

    def _path(self, cell: Cell) -> Path:
        return self.out / "cells" / f"{cell.name}.json"

    def _read(self, cell: Cell) -> Result:
        while not self._path(cell).is_file():
            time.sleep(0.2)  # another rank still computes it
        return Result(cell.function, as_json(cell.options), read_json(self._path(cell))["result"])


def distinct(cells: Sequence[Cell]) -> list[Cell]:
    """The cells in their order, without repetitions."""
    return list({cell.name: cell for cell in cells}.values())


def is_first_rank() -> bool:
    """Whether this process is rank 0, which writes the page."""
    return int(os.environ.get("RANK", 0)) == 0
