"""The cells of networks that have a twin, both tuned alike: every seed at every rate of one grid."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.zoo.cells import SEEDS, Cell
from recipes.zoo.trials import Choice, choose, has_ended, train_trial

if TYPE_CHECKING:
    from hpnets.training import RunFolder

FACTORS = (1 / 3, 1.0, 3.0)  # of the rate in the cell's config


@dataclass(frozen=True)
class Tuned:
    """A network or its additive twin, with its runs in <out>/<cell>."""

    cell: Cell
    twin: bool
    out: Path

    def rates(self) -> list[float]:
        """The grid, which is that of the twin too."""
        rate = self.cell.options(SEEDS[0]).optim.lr
        return [float(f"{factor * rate:.3g}") for factor in FACTORS]

    def runs(self, rate: float) -> "list[RunFolder]":
        """The run folders at a rate, one for each seed."""
        from hpnets.training import RunFolder

        side = "sum" if self.twin else "net"
        return [RunFolder(self.out / self.cell.name / f"{side}-{rate:g}-seed{seed}") for seed in SEEDS]

    def choice(self) -> Choice:
        """The rate that validation chooses."""
        return choose({rate: self.runs(rate) for rate in self.rates()})

    def best(self) -> "list[RunFolder]":
        """The runs at that rate."""
        return self.runs(self.choice().rate)

    def seconds(self) -> float:
        """What the runs that did not diverge took together, each with one thread."""
        runs = [run for rate in self.rates() for run in self.runs(rate) if run.summary.is_file()]
        return sum(run.read_summary()["seconds"] for run in runs)

    def has_ended(self) -> bool:
        """Whether all runs have ended."""
        return all(has_ended(run) for rate in self.rates() for run in self.runs(rate))


@dataclass(frozen=True)
class Trial:
    """The seeds of a network or twin at one rate: what a process trains."""

    side: Tuned
    rate: float

    @property
    def name(self) -> str:
        return f"{self.side.cell.name}-{'sum' if self.side.twin else 'net'}-{self.rate:g}"

    @property
    def log(self) -> Path:
        return self.side.out / f"{self.name}.log"

    def train(self) -> None:
        """Train what is missing."""
        for run, seed in zip(self.side.runs(self.rate), SEEDS, strict=True):
            options = self.side.cell.options(seed, self.side.twin)
            options.optim.lr = self.rate
            train_trial(run, options)

    def has_ended(self) -> bool:
        """Whether nothing is left to train."""
        return all(has_ended(run) for run in self.side.runs(self.rate))


def pairs(cells: list[Cell], out: Path) -> list[tuple[Tuned, Tuned]]:
    """Each network that has a twin, and its twin."""
    return [(Tuned(cell, False, out), Tuned(cell, True, out)) for cell in cells if cell.has_twin()]


def trials(sides: list[tuple[Tuned, Tuned]]) -> list[Trial]:
    """What is left to train; generators, which take longest, come first."""
    all_of = [Trial(side, rate) for pair in sides for side in pair for rate in side.rates()]
    left = [trial for trial in all_of if not trial.has_ended()]
    return sorted(left, key=lambda trial: not trial.side.cell.makes_pictures())
