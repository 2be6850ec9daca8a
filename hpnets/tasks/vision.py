"""MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN through torchvision's own loaders."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from zlib import error as ZlibError

import torch
from lightning.pytorch.utilities import rank_zero_warn
from scipy.io.matlab import MatReadError
from torch import Tensor
from torchvision import datasets
from torchvision.datasets import VisionDataset
from torchvision.datasets.utils import extract_archive

from hpnets.option_sets import Option
from hpnets.tasks.augment import NONE, Augment, check_augment
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.published_files import UNPACKED, check_plain_pickle, differing
from hpnets.tasks.samples import Samples, Splits, stratified_split
from hpnets.validate import boolean, require, require_shape

# What torchvision raises for files that are missing, cut short or not what their name says.
UNREADABLE = (
    *(RuntimeError, OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AssertionError),
    *(UnpicklingError, ZlibError, MatReadError),
)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
Part = tuple[Tensor, Tensor]  # x (N, C, H, W) uint8, y (N,) int64


def _raw(mean: list[float], std: list[float]) -> dict[str, list[float]]:
    """Published constants for pixels in 0..1, in the files' own units 0..255."""
    return {"mean": [255 * m for m in mean], "std": [255 * s for s in std]}


class VisionTask(ClassificationTask):
    """A torchvision data set of labelled images; a seeded share of each class of its training part is for validation.

    Only `prepare_data` downloads. Missing or damaged files raise a ValueError that names where they should be. Files of
    the right format whose checksums are not those of the published ones are read with a warning, or with `verify`
    refused.
    """

    source: type[VisionDataset]
    folder: str
    preprocessing: dict[str, list[float]]
    raw_range = (0.0, 255.0)

    def __init__(
        self,
        root: Annotated[str, Option("folder that holds the data set's own folder")] = "data",
        download: Annotated[bool, Option("fetch the files if they are not there")] = False,
        verify: Annotated[bool, Option("refuse files that differ from the published ones, rather than warn")] = False,
        batch_size: BatchSize = 128,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
        augment: Augment = NONE,
        validation: Annotated[float, Option("share of the training files for validation; 0 trains on all")] = 0.1,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        require(0 <= validation < 1, "validation", validation, ">= 0 and < 1")
        self.validation = validation
        self.augment = check_augment("augment", augment)
        self.root, self.download, self.verify = root, boolean("download", download), boolean("verify", verify)

    def prepare_data(self) -> None:
        """Fetch the files if that was asked for; Lightning calls this in one process of each machine."""
        if self.download:
            self._parts(download=True)

    def splits(self) -> Splits:
        """The training files, less the share for validation, that share, and the test files, numbered apart."""
        (x, y), (x_test, y_test) = self._parts()
        train, val = stratified_split(y, int(len(y) * self.validation), torch.Generator().manual_seed(self.seed))
        return Splits(
            Samples(x, y, train, self.preprocessing),
            Samples(x, y, val, self.preprocessing),
            Samples(x_test, y_test, torch.arange(len(y_test)), self.preprocessing),
        )

    @property
    def advice(self) -> str:
        """Where missing files are to be had."""
        return f"{'prepare_data()' if self.download else '--task.download true'} fetches them"

    @abstractmethod
    def checksums(self) -> dict[str, str]:
        """The MD5 of each published file by its path below root."""

    def unchecked(self) -> type[VisionDataset]:
        """`source`, reading files of any checksum."""
        return self.source

    @contextmanager
    def files(self) -> Iterator[str]:
        """The root to read below while it lasts."""
        yield self.root

    def _parts(self, download: bool = False) -> list[Part]:
        """The training and the test part, as torchvision reads them."""
        try:
            with self.files() as root:
                others = [] if download else differing(Path(root).expanduser(), self.checksums())
                source = self.unchecked() if others and not self.verify else self.source
                parts = [] if others and self.verify else [self._part(source, root, t, download) for t in (True, False)]
        except UNREADABLE as error:
            raise ValueError(
                f"task {self.name!r}: no readable files in {self._place()} ({error}); "
                f"{'fetching them failed' if download else self.advice} (delete damaged ones first), "
                f"--task.root names another folder to look under (now root={self.root!r})"
            ) from error
        if others:
            self._say(others)
        return parts

    def _say(self, others: list[str]) -> None:
        """Warn of files that are not the published ones; raises ValueError if they are to be verified."""
        names = ", ".join(Path(path).name for path in others)
        differ = f"task {self.name!r}: {names} in {self._place()} differ from the published files (MD5)"
        if self.verify:
            raise ValueError(f"verify is True; {differ}; allowed: the published ones, --task.verify false reads others")
        rank_zero_warn(f"{differ}; they are read all the same, --task.verify true refuses them")

    def _place(self) -> str:
        """The folder with the files, or where they should be."""
        return os.path.abspath(os.path.expanduser(os.path.join(self.root, self.folder)))

    def _part(self, source: Any, root: str, train: bool, download: bool) -> Part:
        x, y = self._open(source, root, train, download)
        require_shape(x.shape[1:] == self.input_shape, "images", x, f"(N, *{self.input_shape})")
        labels = f"0 to {self.output_dim - 1}"
        require(bool(((y >= 0) & (y < self.output_dim)).all()), "the largest label", int(y.max()), labels)
        return x, y

    def _open(self, source: Any, root: str, train: bool, download: bool) -> Part:
        """x (N, C, H, W) uint8 and y (N,) int64 of one part."""
        dataset = source(root, train=train, download=download)
        return _as_tensors(dataset.data, dataset.targets)


def _as_tensors(data: object, labels: object) -> Part:
    x, y = torch.as_tensor(data), torch.as_tensor(labels, dtype=torch.int64)
    if len(x) != len(y):
        raise ValueError(f"labels has length {len(y)}; allowed: {len(x)}, one an image")
    is_grey, is_channels_last = x.ndim == 3, x.shape[-1] == 3
    if is_grey:
        x = x.unsqueeze(1)
    return x.movedim(-1, 1).contiguous() if is_channels_last else x, y


class IdxTask(VisionTask):
    """MNIST and data sets in its format, unpacked, whose checksums torchvision compares only when it fetches them."""

    input_shape, output_dim = (1, 28, 28), 10

    def checksums(self) -> dict[str, str]:
        return {f"{self.folder}/{name}": md5 for name, md5 in UNPACKED[self.source.__name__].items()}


class CIFARTask(VisionTask):
    """CIFAR's pickles: those that are not the published ones are read only if they hold no code."""

    source: type[datasets.CIFAR10]
    input_shape = (3, 32, 32)

    def checksums(self) -> dict[str, str]:
        meta = [self.source.meta["filename"], self.source.meta["md5"]]
        return {f"{self.folder}/{name}": md5 for name, md5 in (*self.source.train_list, *self.source.test_list, meta)}

    def unchecked(self) -> type[VisionDataset]:
        for path in differing(Path(self.root).expanduser(), self.checksums()):
            check_plain_pickle(Path(self.root).expanduser() / path)
        s = self.source
        lists = {key: [[name, None] for name, _ in getattr(s, key)] for key in ("train_list", "test_list")}
        return type(s.__name__, (s,), {**lists, "meta": {**s.meta, "md5": None}})


@register_task("mnist")
class MNISTTask(IdxTask):
    """60,000 + 10,000 handwritten digits of 28x28 pixels (LeCun, Cortes and Burges, 1998)."""

    source, folder = datasets.MNIST, "MNIST/raw"
    preprocessing = _raw([0.1307], [0.3081])


@register_task("fashion_mnist")
class FashionMNISTTask(IdxTask):
    """60,000 + 10,000 pictures of clothes of 28x28 pixels (Xiao, Rasul and Vollgraf, arXiv:1708.07747).

    Where `root` has none of its files, those of Debian's package dataset-fashion-mnist are read.
    """

    source, folder = datasets.FashionMNIST, "FashionMNIST/raw"
    preprocessing = _raw([0.2860], [0.3530])

    @property
    def advice(self) -> str:
        return f"Debian's package dataset-fashion-mnist has them (in {DEBIAN}), {super().advice}"

    def _place(self) -> str:
        own = super()._place()
        return str(DEBIAN) if DEBIAN.is_dir() and not any(Path(own).glob("*")) else own

    @contextmanager
    def files(self) -> Iterator[str]:
        """`root`, or a temporary folder with the package's files unpacked."""
        if self._place() != str(DEBIAN):
            yield self.root
            return
        with TemporaryDirectory() as root:
            folder = Path(root) / self.folder
            folder.mkdir(parents=True)
            for name in UNPACKED["FashionMNIST"]:
                extract_archive(DEBIAN / f"{name}.gz", folder)
            yield root


@register_task("cifar10")
class CIFAR10Task(CIFARTask):
    """50,000 + 10,000 colour pictures of 32x32 pixels in 10 classes (Krizhevsky, 2009)."""

    source, folder = datasets.CIFAR10, "cifar-10-batches-py"
    output_dim = 10
    preprocessing = _raw([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])


@register_task("cifar100")
class CIFAR100Task(CIFARTask):
    """50,000 + 10,000 colour pictures of 32x32 pixels in 100 (fine) classes (Krizhevsky, 2009)."""

    source, folder = datasets.CIFAR100, "cifar-100-python"
    output_dim = 100
    preprocessing = _raw([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])


@register_task("svhn")
class SVHNTask(VisionTask):
    """73,257 + 26,032 house-number digits of 32x32 pixels, digit 0 as class 0 (Netzer et al., 2011)."""

    source, folder = datasets.SVHN, ""
    input_shape, output_dim = (3, 32, 32), 10
    preprocessing = _raw([0.4377, 0.4438, 0.4728], [0.1980, 0.2010, 0.1970])

    def checksums(self) -> dict[str, str]:
        return {name: md5 for split, (_, name, md5) in datasets.SVHN.split_list.items() if split != "extra"}

    def unchecked(self) -> type[VisionDataset]:
        entries = {split: [url, name, None] for split, (url, name, _) in datasets.SVHN.split_list.items()}
        return type("SVHN", (datasets.SVHN,), {"split_list": entries})

    def _open(self, source: Any, root: str, train: bool, download: bool) -> Part:
        dataset = source(root, split="train" if train else "test", download=download)
        return _as_tensors(dataset.data, dataset.labels)
