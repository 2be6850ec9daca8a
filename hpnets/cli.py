"""What the recipes' command lines share: one-line errors with the nearest valid flags. Imports no torch."""

import re
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from hpnets.registry import nearest

USER_ERROR = 2
INTERRUPTED = 130


class Parser(ArgumentParser):
    """An ArgumentParser without abbreviations, whose errors are one line and exit 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        hint = self._nearest_flag(message)
        fail(" ".join(message.split()) + (f": {hint}" if hint else ""))

    def _nearest_flag(self, message: str) -> str:
        wrong = re.search(r"[Uu]nrecognized arguments: ([^\s=]+)", message) or re.search(
            r"(?:Key|key|Subkey|option) ['\"]([\w.]+)['\"] (?:not found|is not|does not)", message
        )
        if wrong is None:
            return ""
        return nearest(f"--{wrong[1].lstrip('-')}", [f for f in self._option_string_actions if f.startswith("--")])


def fail(message: str, status: int = USER_ERROR) -> NoReturn:
    """Print one line on stderr and exit."""
    print(f"{sys.argv[0].rsplit('/', 1)[-1]}: error: {message}", file=sys.stderr)
    sys.exit(status)


def run_main(main: Callable[[], object]) -> None:
    """Run a recipe: a ValueError is the user's mistake (exit 2, one line); SIGTERM stops it as Ctrl-C does (130)."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        main()
    except ValueError as error:
        fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        fail("stopped", INTERRUPTED)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
