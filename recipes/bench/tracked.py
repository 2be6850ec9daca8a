"""`python -m recipes.bench.tracked FILE FLAGS` trains as recipes/train.py does; tracking's own seconds go to FILE."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from hpnets.commands.main import run

HOOKS = ("on_train_start", "on_train_batch_end", "on_train_epoch_end", "on_train_end")


class Stopwatch:
    """Adds up the seconds of all calls of the functions that it has wrapped, none of which calls another."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def main(file: Path, flags: list[str]) -> None:
    """Train with the command line's flags, and write the summed seconds of the kernel monitor's hooks to the file."""
    from hpnets.training import NTKMonitor

    watch = Stopwatch()
    with ExitStack() as stack:
        stack.callback(lambda: file.write_text(f"{watch.seconds}"))
        for name in HOOKS:
            stack.enter_context(mock.patch.object(NTKMonitor, name, watch.wrap(getattr(NTKMonitor, name))))
        stack.enter_context(mock.patch.object(sys, "argv", ["train.py", *flags]))
        run("train")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
