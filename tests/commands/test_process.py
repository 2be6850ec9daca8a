"""How a command ends, what it is called, and what it prints where no encoding has it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpnets.commands.process import other_command, program, run_main
from hpnets.environment import command
from tests.in_process import ROOT


@pytest.mark.parametrize(
    ("argv", "name", "evaluate"),
    [
        (["recipes/train.py", "--model", "ccp"], "train.py", "python recipes/evaluate.py"),
        (["/venv/bin/hpnets", "train", "--model", "ccp"], "hpnets train", "hpnets evaluate"),
        (["/src/hpnets/__main__.py", "train"], "hpnets train", "hpnets evaluate"),
        (["/venv/bin/hpnets", "trian"], "hpnets", "hpnets evaluate"),
        (["/venv/bin/hpnets"], "hpnets", "hpnets evaluate"),
        (["/src/recipes/bench/__main__.py", "ntk"], "bench", "python recipes/evaluate.py"),
    ],
)
def test_a_command_knows_what_it_was_called(
    argv: list[str], name: str, evaluate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert (program(), other_command("evaluate")) == (name, evaluate)
    assert command() == " ".join(
        ["hpnets" if "hpnets" in evaluate else f"{Path(sys.executable).name} {argv[0]}", *argv[1:]]
    )


def test_how_a_recipe_ends(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def end(error: BaseException) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            run_main(lambda: (_ for _ in ()).throw(error))
        return int(stopped.value.code or 0), capsys.readouterr().err

    monkeypatch.setattr(sys, "argv", ["recipes/x.py"])
    handler = signal.getsignal(signal.SIGTERM)
    assert end(ValueError("a\n  b")) == (2, "x.py: error: a b\n")
    assert end(KeyboardInterrupt()) == (130, "x.py: error: stopped\n")
    assert end(OSError(28, "No space left on device", "f.csv")) == (
        2,
        "x.py: error: 'f.csv': No space left on device\n",
    )
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, handler)
    with pytest.raises(RuntimeError, match="a bug shows its traceback"):
        run_main(lambda: (_ for _ in ()).throw(RuntimeError("a bug shows its traceback")))
    signal.signal(signal.SIGTERM, handler)


def test_output_that_no_encoding_has_is_escaped(tmp_path: Path) -> None:
    code = "from hpnets.commands.process import run_main; run_main(lambda: print('run\\udcff', '\u03bb'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.stdout, done.stderr) == ("run\\udcff \\u03bb\n", "")
