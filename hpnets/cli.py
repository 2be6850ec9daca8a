"""What the recipes' command lines share: one-line errors with the nearest valid flags. Imports no torch."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, get_args

from jsonargparse import ArgumentParser

from hpnets.registry import nearest
from hpnets.validate import WORDS, list_in_words, shown

USER_ERROR = 2
INTERRUPTED = 130
LISTS = (list[int], list[float], list[str], tuple[int, ...], tuple[float, float])
# Types of options as jsonargparse names them, in words.
TYPES = {repr(kind): word for kind, (word, _) in WORDS.items()}
TYPES |= {repr(kind): list_in_words(get_args(kind)[0]) for kind in LISTS}


class Parser(ArgumentParser):
    """An ArgumentParser without abbreviations, whose errors are one line and exit 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        message = re.sub(r'Parser key "([\w.]+)"', r"--\1", " ".join(message.split()))
        if off := re.search(r"(--[\w.]+): .*'off'.* value: False", message):
            fail(f"{off[1]} is false, which yaml makes of off; allowed: 'off', in quotes")
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
    match = re.search(rf"(--[\w.]+): (?:{one}|{several}) value:(.*)", message)
    if not match:
        return ""
    allowed = re.sub(r"typing\.Literal\[(.+?)\]", r"\1", match[2] or match[3])
    for name, words in TYPES.items():
        allowed = allowed.replace(name, words)
    allowed = ", ".join(dict.fromkeys(allowed.split(", ")))
    return f"{match[1]} is {match[4].strip()!r}; allowed: {allowed}"


def wrong_flag(message: str) -> str:
    """The flag, or the key of a config file as a flag, that jsonargparse complains of; "" for other complaints."""
    if match := re.search(r"[Uu]nrecognized arguments: ([^\s=]+)", message):
        return "--" + match[1].lstrip("-")
    if match := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
        return f"--{match[1]}.{match[2]}"
    match = re.search(r"Option '([\w.]+)' is not accepted", message)
    return f"--{match[1]}" if match else ""


def fail(message: str, status: int = USER_ERROR) -> NoReturn:
    """Print one line on stderr and exit."""
    print(f"{sys.argv[0].rsplit('/', 1)[-1]}: error: {message}", file=sys.stderr)
    sys.exit(status)


def run_main(main: Callable[[], object]) -> None:
    """Run a recipe: a ValueError is the user's mistake (exit 2, one line); SIGTERM stops it as Ctrl-C does (130).

    So is a file that the system refuses. A reader of the output that goes away, as `head` does, stops nothing.
    """
    signal.signal(signal.SIGTERM, _stop)
    sys.stdout, sys.stderr = outlasting(sys.stdout), outlasting(sys.stderr)
    try:
        main()
    except ValueError as error:
        fail(" ".join(str(error).split()))
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{shown(str(error.filename))}: {error.strerror}")
    except KeyboardInterrupt:
        fail("stopped", INTERRUPTED)


def outlasting(stream: TextIO) -> TextIO:
    """The stream, or if it is of a file descriptor one that goes on in silence once its reader has gone."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED set, the buffer is the descriptor itself
    if not isinstance(raw, io.FileIO) or isinstance(raw, _Outlet):
        return stream
    stream.flush()
    outlet = io.BufferedWriter(_Outlet(raw.fileno(), "w", closefd=False))
    # Names of files need not be text: what has no encoding is shown escaped.
    return io.TextIOWrapper(outlet, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)


class _Outlet(io.FileIO):
    """A file descriptor that leads nowhere from the first write on that finds no reader: the process goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
