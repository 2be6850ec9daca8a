"""The command that this process runs, as results record it."""

import shlex
import sys


def command_of(module: str) -> str:
    """`python -m MODULE` with this process's options."""
    return shlex.join(["python", "-m", module, *sys.argv[1:]])
