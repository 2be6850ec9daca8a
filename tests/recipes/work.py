"""Work that ends in every way there is, in a module that a process imports at once."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from recipes.checks.processes import Tell


def work(argument: str, tell: Tell) -> None:
    """Tell the argument, then end as it says."""
    tell({"told": argument})
    if argument == "raise":
        raise RuntimeError("two\nlines")
    if argument == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if argument == "sleep":
        time.sleep(60)


@dataclass(frozen=True)
class Piece:
    """Work of a pool, which fails if that is its name."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def train(self) -> None:
        if self.name == "fails":
            raise ValueError("it was asked to")
        (self.folder / f"{self.name}.txt").write_text("done")
