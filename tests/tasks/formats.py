"""Small image data sets, written in the formats of MNIST, CIFAR and SVHN for torchvision's loaders to read.

`write_files("cifar10", root, monkeypatch)` writes both parts and makes their checksums those of the published files.
"""

import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat
from torchvision import datasets

from hpnets.tasks.published_files import UNPACKED

CLASSES = {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 100, "svhn": 10}


class Part(NamedTuple):
    """Images (N, C, H, W) uint8 and labels (N,) int64, as a task should read them."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]


class Files(NamedTuple):
    """What was written."""

    train: Part
    test: Part


def write_files(
    task: str, root: Path, monkeypatch: pytest.MonkeyPatch, train_size: int = 300, test_size: int = 100
) -> Files:
    """Random images with equally many of each class, in the files of the vision task called `task` under `root`."""
    rng = np.random.default_rng(len(task))
    shape = (1, 28, 28) if "mnist" in task else (3, 32, 32)
    files = Files(*(_random_part(rng, size, shape, CLASSES[task]) for size in (train_size, test_size)))
    if "mnist" in task:
        name = "MNIST" if task == "mnist" else "FashionMNIST"
        _write_mnist(files, root / name / "raw", monkeypatch)
    elif task == "svhn":
        _write_svhn(files, root, monkeypatch)
    else:
        _write_cifar(files, root, datasets.CIFAR10 if task == "cifar10" else datasets.CIFAR100, monkeypatch)
    return files


def _random_part(rng: np.random.Generator, size: int, shape: tuple[int, ...], classes: int) -> Part:
    x = rng.integers(0, 256, (size, *shape), dtype=np.uint8)
    return Part(x, rng.permutation(np.arange(size) % classes))


def _write_mnist(files: Files, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The idx format: big-endian magic (type 8 = uint8, number of dimensions), the dimensions, the bytes."""
    folder.mkdir(parents=True)
    for prefix, part in (("train", files.train), ("t10k", files.test)):
        for suffix, array in (("images-idx3", part.x[:, 0]), ("labels-idx1", part.y.astype(np.uint8))):
            header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            (folder / f"{prefix}-{suffix}-ubyte").write_bytes(header + array.tobytes())
    monkeypatch.setitem(UNPACKED, folder.parent.name, {path.name: _md5(path) for path in folder.iterdir()})


def _write_cifar(files: Files, root: Path, source: type[datasets.CIFAR10], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickled dictionaries: rows of 3072 bytes, the red plane first; CIFAR-10 cuts its training part into five."""
    folder = root / source.base_folder
    folder.mkdir(parents=True)
    is_cifar10 = source is datasets.CIFAR10
    key = "labels" if is_cifar10 else "fine_labels"
    for attribute, part in (("train_list", files.train), ("test_list", files.test)):
        names = [name for name, _ in getattr(source, attribute)]
        rows = np.array_split(np.arange(len(part.y)), len(names))
        checksums = []
        for name, chunk in zip(names, rows, strict=True):
            batch: dict[str, Any] = {"data": part.x[chunk].reshape(len(chunk), -1), key: part.y[chunk].tolist()}
            checksums.append([name, _pickle(folder / name, batch)])
        monkeypatch.setattr(source, attribute, checksums)
    meta = dict(source.meta)
    names_of_classes = [f"class {i}" for i in range(10 if is_cifar10 else 100)]
    meta["md5"] = _pickle(folder / meta["filename"], {meta["key"]: names_of_classes})
    monkeypatch.setattr(source, "meta", meta)


def _write_svhn(files: Files, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matlab files: X (32, 32, 3, N), y (N, 1) with the digit 0 as 10."""
    root.mkdir(parents=True, exist_ok=True)
    entries = dict(datasets.SVHN.split_list)
    for split, part in (("train", files.train), ("test", files.test)):
        url, name, _ = entries[split]
        labels = np.where(part.y == 0, 10, part.y).astype(np.uint8)[:, None]
        savemat(root / name, {"X": part.x.transpose(2, 3, 1, 0), "y": labels})
        entries[split] = [url, name, _md5(root / name)]
    monkeypatch.setattr(datasets.SVHN, "split_list", entries)


def _pickle(path: Path, content: dict[str, Any]) -> str:
    path.write_bytes(pickle.dumps(content, protocol=2))
    return _md5(path)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()
