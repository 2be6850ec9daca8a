"""`hpnets COMMAND`: the commands, their lists, and that help is quick because it imports nothing heavy."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module

import pytest

import hpnets
from hpnets.commands import COMMANDS
from hpnets.commands.parser import with_values
from tests.in_process import ROOT, run_module, run_script

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HELP = """
import json, runpy, sys
from contextlib import redirect_stdout
from io import StringIO
heavy = ("torch", "lightning", "wandb", "sklearn", "matplotlib", "scipy")
for path, *words in json.loads(sys.argv[1]):
    sys.argv, text, status = [path, *words, "--help"], StringIO(), 0
    with redirect_stdout(text):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
    print(status, text.getvalue()[:7], [name for name in heavy if name in sys.modules], path, *words)
"""
HELPS = [["hpnets/__main__.py"], *(["hpnets/__main__.py", name] for name in COMMANDS)]
HELPS += [["recipes/train.py"], ["recipes/evaluate.py"]]


def test_help_imports_nothing_heavy() -> None:
    """Nor does anything that another help imports: one process asks for all of them."""
    code = [sys.executable, "-c", HELP, json.dumps(HELPS)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"0 usage:  [] {' '.join(words)}" for words in HELPS]


def test_the_console_script_and_every_command_are_there() -> None:
    module, _, function = PROJECT["scripts"]["hpnets"].partition(":")
    assert callable(getattr(import_module(module), function))
    for name in COMMANDS:
        assert callable(import_module(f"hpnets.commands.{name}").main)


def test_without_a_command_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("hpnets") == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed and text in listed for name, text in COMMANDS.items())
    assert run_module("hpnets", "--help") == 0
    assert capsys.readouterr().out == listed


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("hpnets", "--version") == 0
    assert capsys.readouterr().out == f"hpnets {PROJECT['version']}\n"
    assert hpnets.__version__ == PROJECT["version"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["trian"], "hpnets: error: unknown command 'trian'; did you mean train?"),
        (["--verison"], "hpnets: error: unknown command '--verison'"),
        (["train", "--modle", "ccp"], "hpnets train: error: unrecognized arguments: --modle ccp; did you mean --model"),
        (["evaluate", "--checkpoint", "ccp-digit"], "hpnets evaluate: error: unknown checkpoint 'ccp-digit'; did you"),
        (["models", "ccq"], "hpnets models: error: no model matches 'ccq'; did you mean ccp"),
        (["tasks", "digits", "line"], "hpnets tasks: error: unrecognized arguments: line"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("hpnets", *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(error)
    assert said.err.count("\n") == 1


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, pattern in (("models", "*polynet"), ("tasks", "cifar*")):
        assert run_module("hpnets", kind, pattern) == 0
        some = capsys.readouterr().out
        assert run_module("hpnets", kind) == 0
        every = capsys.readouterr().out
        assert {line.split()[0] for line in some.splitlines()} < {line.split()[0] for line in every.splitlines()}
        assert run_script("train", f"--list_{kind}") == 0
        assert capsys.readouterr().out == every


def test_the_command_and_the_script_take_the_same_options(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--model", "ncp", "--model.degree", "3", "--task=line", "--seed", "4", "--print_config")
    assert run_module("hpnets", "train", *flags) == run_script("train", *flags) == 0
    both = capsys.readouterr().out
    assert both[: len(both) // 2] == both[len(both) // 2 :]
    assert "degree: 3" in both


def test_a_flag_alone_is_true() -> None:
    assert with_values(["--quick", "--out", "x"], ["quick"]) == ["--quick=true", "--out", "x"]
    assert with_values(["--quick", "False", "--keep"], ["quick", "keep"]) == ["--quick", "False", "--keep=true"]
    assert with_values(["--quick=false", "--other"], ["quick"]) == ["--quick=false", "--other"]
