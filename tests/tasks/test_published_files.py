"""Files that are not the published ones, and those of Debian's package."""

import gzip
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from hpnets.tasks import create_task
from tests.tasks.formats import CLASSES, Files, write_files

PACKAGE = Path("/usr/share/datasets/fashion-mnist")


def write_others(name: str, root: Path) -> Files:
    """The files of a vision task with other content, whose checksums are therefore not the published ones."""
    with pytest.MonkeyPatch.context() as undone:
        return write_files(name, root, undone)


@pytest.mark.parametrize("name", CLASSES)
def test_other_files_of_the_format_are_read_and_said_or_refused(name: str, tmp_path: Path) -> None:
    files = write_others(name, tmp_path)
    task: Any = create_task(name, root=str(tmp_path))
    with pytest.warns(UserWarning, match=f"task '{name}': .* differ from the published files .MD5.; they") as said:
        task.setup()
    assert len(said) == 1
    assert str(tmp_path) in str(said[0].message)
    assert np.array_equal(task.test_set.x.numpy(), files.test.x)
    assert np.array_equal(task.train_set.y.numpy(), files.train.y)
    with pytest.raises(ValueError, match=f"verify is True; task '{name}': .* differ from .*; allowed: the published"):
        create_task(name, root=str(tmp_path), verify=True).setup()


def test_the_published_files_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CLASSES:
        write_files(name, tmp_path / name, monkeypatch)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            task = create_task(name, root=str(tmp_path / name), verify=True)
            task.setup()
        assert len(task.train_set) > 0


def test_a_pickle_that_holds_code_is_refused_and_not_executed(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    write_others("cifar10", tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**content, "more": Code()}))
    with pytest.raises(ValueError, match=r"task 'cifar10': .*a pickle of pathlib.*, which is never executed"):
        create_task("cifar10", root=str(tmp_path)).setup()
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore:.*differ from the published files")
def test_labels_and_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_others("mnist", tmp_path)
    labels = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(ValueError, match=r"task 'mnist': .*the largest label is 10; allowed: 0 to 9"):
        create_task("mnist", root=str(tmp_path)).setup()
    images = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = images.read_bytes()
    images.write_bytes(content[:8] + bytes([0, 0, 0, 14, 0, 0, 0, 56]) + content[16:])
    with pytest.raises(ValueError, match=r"images has shape \(300, 1, 14, 56\); allowed: \(N, \*\(1, 28, 28\)\)"):
        create_task("mnist", root=str(tmp_path)).setup()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Files]:
    """A folder like that of Debian's package, and what is in its files."""
    files = write_files("fashion_mnist", tmp_path / "unpacked", monkeypatch)
    folder = tmp_path / "package"
    folder.mkdir()
    for path in (tmp_path / "unpacked" / "FashionMNIST" / "raw").iterdir():
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    monkeypatch.setattr("hpnets.tasks.vision.DEBIAN", folder)
    return folder, files


def test_debians_package_is_read_where_the_root_has_no_files(
    package: tuple[Path, Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, files = package
    for options in ({}, {"download": True}, {"verify": True}):  # there is nothing to download
        task: Any = create_task("fashion_mnist", root=str(tmp_path / "data"), **options)
        task.prepare_data()
        task.setup()
        assert np.array_equal(task.test_set.x.numpy(), files.test.x)
    assert not (tmp_path / "data").exists()
    own = write_files("fashion_mnist", tmp_path / "data", monkeypatch, train_size=100, test_size=10)
    task = create_task("fashion_mnist", root=str(tmp_path / "data"))
    task.setup()
    assert np.array_equal(task.test_set.x.numpy(), own.test.x)


def test_a_damaged_package_is_named(package: tuple[Path, Files], tmp_path: Path) -> None:
    folder, _ = package
    path = folder / "train-labels-idx1-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[:-20], b"", whole[:40] + b"\xff" * 40 + whole[80:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"task 'fashion_mnist': no readable files in {folder} "):
            create_task("fashion_mnist", root=str(tmp_path)).setup()


def test_where_there_is_neither_the_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Debian's package dataset-fashion-mnist has them .*--task.download true fet"):
        create_task("fashion_mnist", root=str(tmp_path)).setup()


@pytest.mark.slow
def test_all_of_fashion_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs `apt-get install dataset-fashion-mnist`."""
    if not PACKAGE.is_dir():
        pytest.skip("apt-get install dataset-fashion-mnist")
    monkeypatch.setattr("hpnets.tasks.vision.DEBIAN", PACKAGE)
    task: Any = create_task("fashion_mnist", root=str(tmp_path), verify=True)
    task.setup()
    assert (len(task.train_set), len(task.val_set), len(task.test_set)) == (54_000, 6_000, 10_000)
    assert task.test_set.labels.bincount().tolist() == [1000] * 10
    x = task.train_set.x.double()
    torch.testing.assert_close([float(x.mean()), float(x.std())], [255 * 0.2860, 255 * 0.3530], atol=0.02, rtol=0)
    assert datasets.FashionMNIST.classes[int(task.test_set.labels[0])] == "Ankle boot"
