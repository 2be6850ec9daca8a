"""--trainer.compile: training steps alone go through torch.compile, and a machine that cannot compile is told so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets.atomic_files import read_tensors
from hpnets.options import TrainerOptions
from hpnets.training import train
from tests.training.runs import small_options

COMPILE = TrainerOptions(max_epochs=2, accelerator="cpu", compile=True)


def test_training_steps_alone_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for torch.compile counts, and computes the same."""
    calls: list[int] = []

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: (calls.append(len(x)), function(x))[1]

    train(small_options(), tmp_path / "eager")
    monkeypatch.setattr(torch, "compile", counting)
    train(small_options(trainer=COMPILE), tmp_path / "compiled")
    assert calls == [2] + [132] * 18  # a trial, then a batch a step
    eager, compiled = (read_tensors(tmp_path / name / "model.safetensors") for name in ("eager", "compiled"))
    assert list(eager) == list(compiled)
    assert all(torch.equal(eager[name], compiled[name]) for name in eager)


def test_a_compiler_that_is_not_there_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        raise RuntimeError("no C++ compiler\nin a long trace")

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(ValueError, match=r"trainer.compile is True; allowed here: False, .*: no C\+\+ compiler$"):
        train(small_options(trainer=COMPILE), tmp_path / "run")
    assert not (tmp_path / "run").exists()
