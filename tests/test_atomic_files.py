"""Files are written whole, and read only if they are what was written."""

import json
import stat
from pathlib import Path

import pytest
import torch

from hpnets.atomic_files import (
    read_tensors,
    remove_partial,
    sha256_of,
    write_json,
    write_tensors,
    write_text,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        raise error

    with pytest.raises(error):
        write_whole(path, half)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_is_not_hidden_by_a_vanished_temporary_file(tmp_path: Path) -> None:
    def vanish(temporary: Path) -> None:
        temporary.unlink()
        raise RuntimeError("the cause")

    with pytest.raises(RuntimeError, match="the cause"):
        write_whole(tmp_path / "a.txt", vanish)


def test_a_file_is_replaced_by_rename_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "old")
    before, seen = path.stat().st_ino, []
    write_whole(path, lambda temporary: seen.append(temporary) or temporary.write_text("new"))
    assert path.read_text() == "new"
    assert path.stat().st_ino != before
    assert seen[0].parent == path.parent
    assert names(path.parent) == ["a.txt"]


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = []
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "checkpoints" / "last.ckpt", lambda temporary: left.append(temporary.name) or 1 / 0)
    write_text(tmp_path / "checkpoints" / left[0], "as a kill leaves it")
    write_text(tmp_path / "checkpoints" / "best.ckpt", "kept")
    remove_partial(tmp_path)
    assert names(tmp_path / "checkpoints") == ["best.ckpt"]


def test_json_is_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": [1, None]}
    assert text.startswith('{\n  "b"')
    assert text.endswith("}\n")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tensors = {"w": torch.arange(12.0).reshape(3, 4).T, "n": torch.tensor(3), "g": torch.ones(2, requires_grad=True)}
    write_tensors(tmp_path / "w.safetensors", tensors, {"outputs": "trace"})
    return tmp_path / "w.safetensors"


def test_tensors_round_trip(weights: Path) -> None:
    read = read_tensors(weights, sha256_of(weights))
    assert torch.equal(read["w"], torch.arange(12.0).reshape(3, 4).T)
    assert read["n"].dtype == torch.int64
    assert not read["g"].requires_grad
    assert read.keys() == {"w", "n", "g"}


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "abc") == expected


@pytest.mark.parametrize("position", [0, 9, 40, -1])
def test_a_flipped_byte_is_refused_by_its_hash(weights: Path, position: int) -> None:
    recorded, content = sha256_of(weights), bytearray(weights.read_bytes())
    content[position] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=rf"was changed: its sha256 is \w{{64}}, recorded is {recorded}"):
        read_tensors(weights, recorded)


@pytest.mark.parametrize("length", [0, 4, 50, -1])
def test_a_truncated_file_is_refused_without_a_hash_too(weights: Path, length: int) -> None:
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"w\.safetensors is not a readable safetensors file"):
        read_tensors(weights)


def test_a_missing_file_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"no such file: {tmp_path}/none"):
        read_tensors(Path("none"))
    with pytest.raises(ValueError, match="no such file"):
        read_tensors(tmp_path)
