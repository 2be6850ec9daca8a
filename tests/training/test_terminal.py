"""What a run prints: the same lines in a pipe and, above a bar, on a terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hpnets.options import NTKOptions, TrainerOptions
from hpnets.training import train
from tests.in_process import ROOT
from tests.training.runs import small_options, train_until

LINE = re.compile(
    r"epoch (\d+)/(\d+)  step (\d+)/(\d+)  train/loss [\d.]+  val/loss [\d.]+  val/accuracy [\d.]+  "
    r"ntk/drift [\d.e-]+  ntk/effective_rank [\d.]+  lr 0.01  [\d.]+ s"
)


def places(text: str) -> list[tuple[str, ...]]:
    """Epoch and step, each with its total, of the lines that a run printed."""
    return LINE.findall(text)


def test_an_opening_line_and_a_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(small_options(), tmp_path / "run")
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == (f"ccp on digits: 3,242 parameters, 18 steps, 9 an epoch; cpu, 1 process; {tmp_path / 'run'}")
    assert [place for line in lines for place in places(line)] == [("1", "2", "9", "18"), ("2", "2", "18", "18")]


def test_a_long_epoch_has_a_line_at_each_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = TrainerOptions(max_steps=13, val_every=4, save_every=1, accelerator="cpu")
    train_until(11, small_options(trainer=options), tmp_path / "run")
    train(small_options(trainer=options), tmp_path / "run", resume=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines if line.startswith("epoch")] == [
        f"step {step}/13" for step in (4, 8, 9, 12, 13)
    ]
    assert ", 13 steps, 9 an epoch, resumed at step 11; cpu, 1 process; " in lines[4]


def test_a_minute_without_a_line_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpnets.training.terminal.LINE_SECONDS", 0)
    train(small_options(ntk=NTKOptions(every="off")), tmp_path / "run")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 18 + 2
    assert re.fullmatch(r"epoch 1/2  step 1/18  train/loss [\d.]+  lr 0.01  [\d.]+ s", lines[0])


def test_on_a_terminal_the_lines_stand_above_a_bar(tmp_path: Path) -> None:
    flags = "--model mlp --model.width 8 --trainer.max_epochs 2 --ntk.probe 8 --optim.lr 0.01 --trainer.accelerator cpu"
    reader, writer = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", "TERM": "xterm"}
    script = [sys.executable, str(ROOT / "recipes" / "train.py"), *flags.split(), "--wandb", "off", "--out", "run"]
    process = subprocess.Popen(script, stdout=writer, stderr=writer, env=environment, cwd=tmp_path)
    os.close(writer)
    seen = b""
    while part := read_some(reader):
        seen += part
    assert process.wait(timeout=120) == 0, seen
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", seen.decode())
    assert places(text) == [("1", "2", "18", "36"), ("2", "2", "36", "36")]
    assert {"Epoch 1/2", "Epoch 2/2"} == set(re.findall(r"Epoch \d+/\d+", text))
    assert text.index("mlp on digits: ") < text.index("Epoch 1/2")


def read_some(reader: int) -> bytes:
    """What a terminal shows next; nothing once its process has ended."""
    try:
        return os.read(reader, 65536)
    except OSError:
        return b""
