"""`hpnets COMMAND ...`: each command is a module here with a `main(argv)`, imported only when it is asked for."""

import sys
from importlib import import_module

from hpnets import __version__
from hpnets.commands import COMMANDS
from hpnets.commands.process import run_main
from hpnets.registry import nearest


def main() -> None:
    """Run the command that the first word names."""
    run_main(lambda: dispatch(sys.argv[1:]))


def run(name: str) -> None:
    """Run the command `name` with all words of the command line, as a script of a checkout does."""
    run_main(lambda: dispatch([name, *sys.argv[1:]]))


def dispatch(argv: list[str]) -> None:
    """Run a command with the words after it; raises ValueError with the nearest commands for an unknown one."""
    name, *words = argv or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(f"hpnets {__version__}")
    elif name in COMMANDS:
        import_module(f"hpnets.commands.{name}").main(words)
    else:
        raise ValueError(f"unknown command {name!r}; {nearest(name, COMMANDS)}")


def usage() -> str:
    """The text that `hpnets --help` prints."""
    lines = [f"  {name:<10}{what}" for name, what in COMMANDS.items()]
    options = ["  --version   print the version", "  --help      print this, and after a command its options"]
    return "\n".join(["usage: hpnets COMMAND [options]", "", "commands:", *lines, "", "options:", *options])
