"""`hpnets COMMAND`: the commands, their lists, and that help is quick because it imports nothing heavy."""

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
import runpy, sys
sys.argv = [{path!r}, *{words!r}]
try:
    runpy.run_path({path!r}, run_name="__main__")
finally:
    heavy = [name for name in ("torch", "lightning", "wandb", "sklearn", "matplotlib", "scipy") if name in sys.modules]
    print("imported:", heavy)
"""
HELPS = [("hpnets/__main__.py", []), *(("hpnets/__main__.py", [name]) for name in COMMANDS)]
HELPS += [("recipes/train.py", []), ("recipes/evaluate.py", [])]


@pytest.mark.parametrize(("script", "words"), HELPS)
def test_help_imports_nothing_heavy(script: str, words: list[str]) -> None:
    code = HELP.format(path=str(ROOT / script), words=[*words, "--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert done.stdout.endswith("imported: []\n")


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
