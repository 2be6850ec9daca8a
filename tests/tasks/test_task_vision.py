"""The vision tasks on small files in the genuine formats: the pixels and labels that were written come back."""

import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from hpnets.tasks import Task, create_task
from hpnets.tasks.samples import Samples
from tests.tasks.formats import CLASSES, Files, write_files

VISION = list(CLASSES)
# One file of each data set, and the folder that it lies in.
FILES = {
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "fashion_mnist": "FashionMNIST/raw/t10k-labels-idx1-ubyte",
    "cifar10": "cifar-10-batches-py/data_batch_3",
    "cifar100": "cifar-100-python/test",
    "svhn": "test_32x32.mat",
}


@pytest.fixture(params=VISION)
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Task, Files]:
    """A vision task and the data in its files."""
    files = write_files(request.param, tmp_path, monkeypatch)
    return create_task(request.param, root=str(tmp_path), batch_size=20), files


def raw(task: Task, samples: Samples) -> tuple[Any, Any]:
    """Pixels and labels of all samples, with the normalisation undone."""
    x, y = samples.batch(range(len(samples)))
    mean, std = (torch.tensor(task.preprocessing[key]).view(-1, 1, 1) for key in ("mean", "std"))
    return (x * std + mean).numpy(), y.numpy()


def test_pixels_and_labels_come_back(written: tuple[Task, Files]) -> None:
    task, files = written
    task.setup()
    for samples, part in ((task.train_set, files.train), (task.val_set, files.train), (task.test_set, files.test)):
        x, y = raw(task, samples)
        rows = samples.indices.numpy()
        np.testing.assert_allclose(x, part.x[rows], atol=1e-3)
        np.testing.assert_array_equal(y, part.y[rows])
    assert task.train_set.x.dtype == torch.uint8
    assert task.train_set.x is task.val_set.x


def test_the_share_for_validation_may_be_another_and_none_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files("fashion_mnist", tmp_path, monkeypatch)
    for share, rows in ((0.2, 60), (0.0, 0)):
        task = create_task("fashion_mnist", root=str(tmp_path), batch_size=20, validation=share)
        task.setup()
        assert [len(samples) for samples in (task.train_set, task.val_set)] == [300 - rows, rows]
    assert task.val_dataloader() == []
    assert sum(len(y) for _, y in task.train_dataloader()) == 300
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match=rf"validation is {wrong}; allowed: >= 0 and < 1"):
            create_task("fashion_mnist", validation=wrong)


def test_a_tenth_of_each_class_is_for_validation(written: tuple[Task, Files]) -> None:
    task, _ = written
    task.setup()
    assert [len(samples) for samples in (task.train_set, task.val_set, task.test_set)] == [270, 30, 100]
    counts = task.val_set.labels.bincount(minlength=task.output_dim)
    assert (counts - 30 / task.output_dim).abs().max() < 1
    assert torch.equal(torch.cat([task.train_indices, task.val_set.indices]).sort().values, torch.arange(300))


def test_the_loader_yields_the_samples(written: tuple[Task, Files]) -> None:
    task, _ = written
    loader = task.test_dataloader()
    expected, labels = task.test_set.batch(range(100))
    seen = list(loader)
    assert torch.equal(torch.cat([x for x, _ in seen]), expected)
    assert torch.equal(torch.cat([y for _, y in seen]), labels)


@pytest.mark.parametrize("name", VISION)
def test_constants_are_in_pixel_units(name: str) -> None:
    task = create_task(name)
    assert len(task.preprocessing["mean"]) == len(task.preprocessing["std"]) == task.input_shape[0]
    assert all(30 < mean < 130 for mean in task.preprocessing["mean"])
    assert all(45 < std < 95 for std in task.preprocessing["std"])


@pytest.mark.parametrize("name", VISION)
def test_missing_files_are_named_with_the_flag_that_fetches_them(name: str, tmp_path: Path) -> None:
    task = create_task(name, root=str(tmp_path / "nowhere"))
    task.prepare_data()
    with pytest.raises(ValueError, match=r"--task\.download true fetches them") as caught:
        task.setup()
    folder = (tmp_path / "nowhere" / FILES[name]).parent
    assert f"no readable files in {folder} (" in str(caught.value)
    assert "--task.root" in str(caught.value)
    assert not (tmp_path / "nowhere").exists()


def test_the_path_in_the_message_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}/data/cifar-10-batches-py")):
        create_task("cifar10").setup()


@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_damaged_files_are_a_value_error(written: tuple[Task, Files], damage: str, tmp_path: Path) -> None:
    task, _ = written
    path = tmp_path / FILES[task.name]
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "noise": b"\xff" * len(content)}[damage])
    with pytest.raises(ValueError, match=re.escape(f"task '{task.name}': no readable files in {path.parent}")):
        task.setup()


def test_labels_of_another_data_set_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("mnist", tmp_path, monkeypatch)
    folder = tmp_path / "MNIST" / "raw"
    (folder / "t10k-labels-idx1-ubyte").replace(folder / "train-labels-idx1-ubyte")
    (folder / "t10k-labels-idx1-ubyte").write_bytes((folder / "train-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ValueError, match="labels has length 100; allowed: 300"):
        create_task("mnist", root=str(tmp_path)).setup()


def test_prepare_data_fetches_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's download is replaced by one that writes the files."""

    def download(source: datasets.MNIST) -> None:
        if not Path(source.root).exists():
            write_files("mnist", Path(source.root), monkeypatch)

    monkeypatch.setattr(datasets.MNIST, "download", download)
    root = tmp_path / "new"
    create_task("mnist", root=str(root)).prepare_data()
    assert not root.exists()
    task = create_task("mnist", root=str(root), download=True)
    with pytest.raises(ValueError, match=r"prepare_data\(\) fetches them"):
        task.setup()
    task.prepare_data()
    task.setup()
    assert len(task.train_set) == 270


def test_a_failed_download_is_a_value_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_: datasets.CIFAR10) -> None:
        raise URLError("no network")

    monkeypatch.setattr(datasets.CIFAR10, "download", download)
    with pytest.raises(ValueError, match=r"task 'cifar10'.*no network.*fetching them failed"):
        create_task("cifar10", root=str(tmp_path), download=True).prepare_data()
