"""How a command runs and ends: its name, one line for a user's mistake, exit statuses. Imports no torch."""

import errno
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
    """Another command as a user types it: "hpnets evaluate", or the script if this process runs one of a checkout."""
    return f"hpnets {name}" if runs_hpnets() else f"python recipes/{name}.py"


def fail(message: str, status: int = USER_ERROR) -> NoReturn:
    """Print one line on stderr and exit."""
    print(f"{program()}: error: {message}", file=sys.stderr)
    sys.exit(status)


def run_main(main: Callable[[], object]) -> None:
    """Run a command: a ValueError is the user's mistake (one line, exit 2); SIGTERM stops it as Ctrl-C does (exit 130).

    A file that the system refuses is the user's mistake too. The command goes on if the reader of its output goes away,
    as `head` does.
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
    """The stream; if it has a file descriptor, one in its place that ignores writes once its reader has gone."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED set, the buffer is the descriptor itself
    if not isinstance(raw, io.FileIO) or isinstance(raw, _Outlet):
        return stream
    stream.flush()
    outlet = io.BufferedWriter(_Outlet(raw.fileno(), "w", closefd=False))
    # File names need not be valid text; whatever cannot be encoded is escaped.
    return io.TextIOWrapper(outlet, encoding=stream.encoding, errors="backslashreplace", line_buffering=True)


class _Outlet(io.FileIO):
    """A file descriptor that leads to /dev/null after a write finds no reader, so that the process goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # EIO: the terminal was closed
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
