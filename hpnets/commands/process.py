"""How a command runs and ends: its name, one line for a mistake of the user, exit statuses. Imports no torch."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

from hpnets.commands import COMMANDS
from hpnets.environment import runs_hpnets
from hpnets.validate import shown

USER_ERROR = 2
INTERRUPTED = 130


def program() -> str:
    """The running command as its errors name it: "hpnets train", or the name of the script or folder that runs."""
    path, words = Path(sys.argv[0]), sys.argv[1:]
    if runs_hpnets():
        return f"hpnets {words[0]}" if words and words[0] in COMMANDS else "hpnets"
    return path.parent.name if path.stem == "__main__" else path.name


def other_command(name: str) -> str:
    """What a user types for another command: "hpnets evaluate", or that of a checkout if this one is of a checkout."""
    return f"hpnets {name}" if runs_hpnets() else f"python recipes/{name}.py"


def fail(message: str, status: int = USER_ERROR) -> NoReturn:
    """Print one line on stderr and exit."""
    print(f"{program()}: error: {message}", file=sys.stderr)
    sys.exit(status)


def run_main(main: Callable[[], object]) -> None:
    """Run a command: a ValueError is the user's mistake (exit 2, one line); SIGTERM stops it as Ctrl-C does (130).

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
