"""Commands as their users give them, run in this process."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_script(name: str, *flags: str) -> int:
    """Exit status of `python recipes/NAME.py FLAGS`."""
    return run_path(ROOT / "recipes" / f"{name}.py", *flags)


def run_module(name: str, *flags: str) -> int:
    """Exit status of `python -m NAME FLAGS`."""
    path = (ROOT / Path(*name.split("."))).with_suffix(".py")
    script = path if path.is_file() else path.with_suffix("") / "__main__.py"
    return run_path(script, *flags)


def run_path(path: Path, *flags: str) -> int:
    """The status that a file ends with, run with these flags."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), *flags])
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0
