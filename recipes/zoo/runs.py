"""The runs of a cell: their folders, which of them are finished, and the process that trains the others."""

import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpnets.commands.process import INTERRUPTED
from recipes.zoo.cells import SEEDS, Cell

if TYPE_CHECKING:
    from hpnets.options import RunOptions
    from hpnets.training import RunFolder


@dataclass(frozen=True)
class CellRuns:
    """The run folders of a cell: <out>/<cell>/seed0.. and, if the model has a twin, <out>/<cell>/sum-seed0.."""

    cell: Cell
    out: Path

    @property
    def path(self) -> Path:
        return self.out / self.cell.name

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def runs(self) -> "list[RunFolder]":
        """The run folders, one for each seed."""
        from hpnets.training import RunFolder

        return [RunFolder(self.path / f"seed{seed}") for seed in SEEDS]

    def twins(self) -> "list[RunFolder]":
        """The run folders of the additive twin, one for each seed; [] if there is no twin."""
        from hpnets.training import RunFolder

        return [RunFolder(self.path / f"sum-seed{seed}") for seed in SEEDS] if self.cell.has_twin() else []

    def planned(self) -> "list[tuple[RunFolder, RunOptions]]":
        """Every run folder with the options that it should have."""
        sides = (self.runs(), False), (self.twins(), True)
        return [
            (run, self.cell.options(seed, twin)) for side, twin in sides for run, seed in zip(side, SEEDS, strict=False)
        ]

    def missing(self) -> "list[tuple[RunFolder, RunOptions]]":
        """The planned runs that have not ended; raises ValueError for a run that was made with other options."""
        planned = self.planned()
        for run, options in planned:
            check_options(run, options)
        return [(run, options) for run, options in planned if not run.summary.is_file()]

    def remove(self) -> None:
        """Remove the folder of all these runs."""
        shutil.rmtree(self.path, ignore_errors=True)


def check_options(run: "RunFolder", options: "RunOptions") -> None:
    """Raise ValueError if the run's config.yaml has other options than `options`."""
    from hpnets.options.launcher import launched
    from hpnets.training.build import complete

    if not run.config.is_file():
        return
    # Both sides go through json, which makes tuples lists, as yaml does.
    wanted_options = replace(options, trainer=launched(options.trainer))
    given, wanted = (json.loads(json.dumps(o.to_dict())) for o in (complete(run.options()), wanted_options))
    differing = [key for key in wanted if given[key] != wanted[key]]
    if differing:
        raise ValueError(
            f"{run.path} was made with another {', '.join(differing)} than its config has now; "
            "train it anew with --fresh, or give another --out"
        )


def train_cell(config: Path, out: Path) -> None:
    """Train the missing runs of a cell one after another; interrupted ones go on from their last checkpoint."""
    from hpnets.training import train
    from hpnets.zoo import features_for

    for run, options in CellRuns(Cell(config), out).missing():
        resume = run.env.is_file()  # a run writes env.json as the last of its first files
        if not resume:
            shutil.rmtree(run.path, ignore_errors=True)
        print(f"{run.path}", flush=True)
        train(options, run.path, resume, features_for(options.model["name"], options.task["name"]))


def train_in_process(config: Path, out: Path) -> None:
    """Run `train_cell` with one thread and its output in the cell's log, as a process that exits with 0, 1 or 130."""
    import torch

    from hpnets.training import Interrupted

    torch.set_num_threads(1)
    log = CellRuns(Cell(config), out).log
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            train_cell(config, out)
        except (Interrupted, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
