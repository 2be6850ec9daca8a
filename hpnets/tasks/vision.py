"""MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN through torchvision's own loaders."""

import os
from pickle import UnpicklingError
from typing import Annotated

import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets import VisionDataset

from hpnets.option_sets import Option
from hpnets.tasks.augment import NONE, Augment, check_augment
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.samples import Samples, Splits, stratified_split
from hpnets.validate import boolean

# What torchvision raises for files that are missing, cut short or not what their name says.
UNREADABLE = (RuntimeError, OSError, EOFError, ValueError, TypeError, KeyError, AssertionError, UnpicklingError)


def _raw(mean: list[float], std: list[float]) -> dict[str, list[float]]:
    """Published constants for pixels in 0..1, in the files' own units 0..255."""
    return {"mean": [255 * m for m in mean], "std": [255 * s for s in std]}


class VisionTask(ClassificationTask):
    """A torchvision data set of labelled images; a seeded 10% of each class of its training part is for validation.

    Only `prepare_data` downloads. Missing or damaged files raise a ValueError that names where they should be.
    """

    source: type[VisionDataset]
    folder: str
    preprocessing: dict[str, list[float]]

    def __init__(
        self,
        root: Annotated[str, Option("folder that holds the data set's own folder")] = "data",
        download: Annotated[bool, Option("fetch the files if they are not there")] = False,
        batch_size: BatchSize = 128,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
        augment: Augment = NONE,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.augment = check_augment("augment", augment)
        self.root, self.download = root, boolean("download", download)

    def prepare_data(self) -> None:
        """Fetch the files if that was asked for; Lightning calls this in one process of each machine."""
        if self.download:
            self._read(train=True, download=True)
            self._read(train=False, download=True)

    def splits(self) -> Splits:
        """90% and 10% of the training files, and the test files, whose rows are numbered apart."""
        x, y = self._read(train=True)
        train, val = stratified_split(y, len(y) // 10, torch.Generator().manual_seed(self.seed))
        x_test, y_test = self._read(train=False)
        return Splits(
            Samples(x, y, train, self.preprocessing),
            Samples(x, y, val, self.preprocessing),
            Samples(x_test, y_test, torch.arange(len(y_test)), self.preprocessing),
        )

    def _read(self, train: bool, download: bool = False) -> tuple[Tensor, Tensor]:
        try:
            return self._open(train, download)
        except UNREADABLE as error:
            place = os.path.abspath(os.path.expanduser(os.path.join(self.root, self.folder)))
            fetch = "prepare_data()" if self.download else "--task.download true"
            advice = "fetching them failed" if download else f"{fetch} fetches them"
            raise ValueError(
                f"task {self.name!r}: no readable files in {place} ({error}); {advice} (delete damaged ones first), "
                f"--task.root names another folder to look under (now root={self.root!r})"
            ) from error

    def _open(self, train: bool, download: bool) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) uint8 and y (N,) int64 of one part, as torchvision reads it."""
        dataset = self.source(self.root, train=train, download=download)
        return _as_tensors(dataset.data, dataset.targets)


def _as_tensors(data: object, labels: object) -> tuple[Tensor, Tensor]:
    x, y = torch.as_tensor(data), torch.as_tensor(labels, dtype=torch.int64)
    if len(x) != len(y):
        raise ValueError(f"labels has length {len(y)}; allowed: {len(x)}, one an image")
    is_grey, is_channels_last = x.ndim == 3, x.shape[-1] == 3
    if is_grey:
        x = x.unsqueeze(1)
    return x.movedim(-1, 1).contiguous() if is_channels_last else x, y


@register_task("mnist")
class MNISTTask(VisionTask):
    """60,000 + 10,000 handwritten digits of 28x28 pixels (LeCun, Cortes and Burges, 1998)."""

    source, folder = datasets.MNIST, "MNIST/raw"
    input_shape, output_dim = (1, 28, 28), 10
    preprocessing = _raw([0.1307], [0.3081])


@register_task("fashion_mnist")
class FashionMNISTTask(VisionTask):
    """60,000 + 10,000 pictures of clothes of 28x28 pixels (Xiao, Rasul and Vollgraf, arXiv:1708.07747)."""

    source, folder = datasets.FashionMNIST, "FashionMNIST/raw"
    input_shape, output_dim = (1, 28, 28), 10
    preprocessing = _raw([0.2860], [0.3530])


@register_task("cifar10")
class CIFAR10Task(VisionTask):
    """50,000 + 10,000 colour pictures of 32x32 pixels in 10 classes (Krizhevsky, 2009)."""

    source, folder = datasets.CIFAR10, "cifar-10-batches-py"
    input_shape, output_dim = (3, 32, 32), 10
    preprocessing = _raw([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])


@register_task("cifar100")
class CIFAR100Task(VisionTask):
    """50,000 + 10,000 colour pictures of 32x32 pixels in 100 (fine) classes (Krizhevsky, 2009)."""

    source, folder = datasets.CIFAR100, "cifar-100-python"
    input_shape, output_dim = (3, 32, 32), 100
    preprocessing = _raw([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])


@register_task("svhn")
class SVHNTask(VisionTask):
    """73,257 + 26,032 house-number digits of 32x32 pixels, digit 0 as class 0 (Netzer et al., 2011)."""

    source, folder = datasets.SVHN, ""
    input_shape, output_dim = (3, 32, 32), 10
    preprocessing = _raw([0.4377, 0.4438, 0.4728], [0.1980, 0.2010, 0.1970])

    def _open(self, train: bool, download: bool) -> tuple[Tensor, Tensor]:
        dataset = datasets.SVHN(self.root, split="train" if train else "test", download=download)
        return _as_tensors(dataset.data, dataset.labels)
