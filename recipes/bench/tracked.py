"""`python -m recipes.bench.tracked FILE FLAGS` trains as recipes/train.py does; tracking's own seconds go to FILE."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from hpnets.commands.main import run

HOOKS = ("check", "on_train_start", "on_train_batch_end", "on_train_epoch_end", "on_train_end")


class Stopwatch:
    """Adds up the seconds of the calls of some functions, none of which calls another, without those of others."""

    def __init__(self) -> None:
        self.seconds, self.running = 0.0, False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose seconds are counted."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.running, start = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.running = False

        return timed

    def leave_out(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose seconds are not counted in a call of one whose are."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds -= (time.perf_counter() - start) * self.running

        return timed


def main(file: Path, flags: list[str]) -> None:
    """Train with the flags, and write the summed seconds of the kernel monitor, its check and hooks, to the file."""
    from hpnets.training import NTKMonitor
    from hpnets.training.wandb_log import WandbLog

    watch = Stopwatch()
    with ExitStack() as stack:
        stack.callback(lambda: file.write_text(f"{watch.seconds}"))
        for name in HOOKS:
            stack.enter_context(mock.patch.object(NTKMonitor, name, watch.wrap(getattr(NTKMonitor, name))))
        # wandb starts with the first number that is logged, whoever logs it.
        stack.enter_context(mock.patch.object(WandbLog, "_start", watch.leave_out(WandbLog._start)))
        stack.enter_context(mock.patch.object(sys, "argv", ["train.py", *flags]))
        run("train")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
