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
TYPES = {  # of options, as jsonargparse names them and in words
    "<class 'int'>": "an integer",
    "<class 'float'>": "a number",
    "<class 'bool'>": "true or false",
    "<class 'NoneType'>": "null",
    "list[int]": "a list of integers",
    "list[str]": "a list of names",
}


class Parser(ArgumentParser):
    """An ArgumentParser without abbreviations, whose errors are one line and exit 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        message = re.sub(r'Parser key "([\w.]+)"', r"--\1", " ".join(message.split()))
        choice = re.search(r"(--[\w.]+): Expected a typing\.Literal\[(.+?)\]\. Got value: (.*)", message)
        if choice:
            allowed = re.findall(r"'([^']+)'", choice[2])
            fail(f"{choice[1]} is {choice[3]!r}: {nearest(choice[3], allowed)}")
        if refused := wrong_type(message):
            fail(refused)
        wrong = wrong_flag(message)
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        fail(f"{message}: {nearest(wrong, flags)}" if wrong else message)


def wrong_type(message: str) -> str:
    """What an option of another type is answered with: flag, value and the types allowed; "" for other complaints."""
    one, several = (
        r"Expected a (<class '\w+'>)\. Got",
        r"Does not validate against any .* Subtypes: \[(.+)\] Errors: .* Given",
    )
    found = re.search(rf"(--[\w.]+): (?:{one}|{several}) value:(.*)", message)
    if not found:
        return ""
    allowed = re.sub(r"typing\.Literal\[(.+?)\]", r"\1", found[2] or found[3])
    for name, words in TYPES.items():
        allowed = allowed.replace(name, words)
    return f"{found[1]} is {found[4].strip()!r}; allowed: {allowed}"


def wrong_flag(message: str) -> str:
    """The flag, or the key of a config file as a flag, that jsonargparse complains of; "" for other complaints."""
    if found := re.search(r"[Uu]nrecognized arguments: ([^\s=]+)", message):
        return "--" + found[1].lstrip("-")
    if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
        return f"--{found[1]}.{found[2]}"
    found = re.search(r"Option '([\w.]+)' is not accepted", message)
    return f"--{found[1]}" if found else ""


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
