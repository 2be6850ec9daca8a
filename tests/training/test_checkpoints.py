"""Checkpoints: damaged ones are refused, pickled code is never executed, files are whole."""

import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets.training import RunFolder, train
from hpnets.training.checkpoints import WholeCheckpointIO, read_checkpoint
from tests.training.runs import small_options

SAVED = {"weights": torch.arange(4096.0), "epoch": 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    WholeCheckpointIO().save_checkpoint(SAVED, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_round_trip_leaves_no_other_file(path: Path) -> None:
    read = read_checkpoint(path)
    assert read["epoch"] == 3
    assert torch.equal(read["weights"], SAVED["weights"])
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_any_flipped_byte_is_refused_or_without_effect(path: Path) -> None:
    whole = path.read_bytes()
    refused = unharmed = 0
    for position in random.Random(0).sample(range(len(whole)), 200):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            read: Any = read_checkpoint(path)
        except ValueError as error:
            refused += str(path) in str(error)
        else:
            unharmed += read["epoch"] == 3 and torch.equal(read["weights"], SAVED["weights"])
    assert refused + unharmed == 200
    assert refused > 150


@pytest.mark.parametrize("length", [0, 1, 1000, -1])
def test_a_truncated_file_is_refused(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such checkpoint: .*last\.ckpt"):
        read_checkpoint(tmp_path / "last.ckpt")


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


def test_pickled_code_is_refused_and_not_executed(tmp_path: Path) -> None:
    path, target = tmp_path / "last.ckpt", tmp_path / "executed"
    torch.save({"epoch": Bomb(target)}, path)
    with pytest.raises(ValueError, match="holds pickled code, which is never executed"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        read_checkpoint(path)
    assert not target.exists()


def test_a_damaged_checkpoint_is_refused_before_the_run_goes_on(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    train(small_options(), run.path)
    content = bytearray(run.last.read_bytes())
    content[len(content) // 2] ^= 1
    run.last.write_bytes(content)
    before = run.metrics.read_bytes()
    with pytest.raises(ValueError, match=r"last.ckpt is damaged"):
        train(run.options(), run.path, resume=True)
    assert run.metrics.read_bytes() == before


def test_checkpoints_of_a_run_hold_plain_types_and_tensors_only(tmp_path: Path) -> None:
    train(small_options(), tmp_path / "run")
    for name in ("last.ckpt", "best.ckpt"):
        state = torch.load(tmp_path / "run" / "checkpoints" / name, weights_only=True)
        assert all(key.startswith("net.") for key in state["state_dict"])
