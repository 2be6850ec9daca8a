"""Work that ends in every way there is, in a module that a process imports at once."""

import os
import signal
import time

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
