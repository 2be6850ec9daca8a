"""Pictures in folders, one a class, as torchvision's ImageFolder takes them; decoded when a batch is read."""

import hashlib
import math
import os
from pathlib import Path
from typing import Annotated

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

from hpnets.option_sets import Option
from hpnets.tasks.augment import NONE, Augment, check_augment
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.own_data import OwnData
from hpnets.tasks.pictures import MODES, Pictures
from hpnets.tasks.samples import Samples, Splits, stratified_split
from hpnets.validate import at_least, one_of, require

PARTS = ("train", "val", "test")
SHARE = 10  # one in so many pictures is for validation, and one for the test, where they have no folder
FEWEST, FEWEST_OF_CLASS = 10, 3  # training pictures: a share of them is not 0, and leaves some of each class
SAMPLED = 2048  # training pictures that mean and standard deviation are computed from, at most
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}


@register_task("image_folder")
class ImageFolderTask(ClassificationTask, OwnData):
    """Your own pictures, in one folder a class: root/cat/1.jpg, root/dog/a/2.png.

    Where root holds the folders `train` and `val` or `test`, and no other, each has the classes below it. A part that
    has no folder is a seeded tenth of each class of the training pictures. Row i is the i-th picture that can be read,
    in order of part, class and path.

    size, channels: `Pictures` says what becomes of other sizes and modes. broken: "refuse" and "skip" decode every file
    once before the run, by num_workers processes; "late" refuses a file when it is read. normalise: "data" takes mean
    and standard deviation of the training pictures, of 2048 drawn with the seed if there are more.

    Raises ValueError for fewer than two classes, a class of fewer than 3 training pictures, and files that are refused.
    """

    raw_range = (0.0, 255.0)

    def __init__(
        self,
        root: Annotated[str, Option("folder that holds a folder of pictures for each class")] = "data",
        size: Annotated[int, Option("height and width that the middle square of a picture is resized to")] = 64,
        channels: Annotated[int, Option("3 for colour, 1 for grey; the other kind is converted")] = 3,
        broken: Annotated[str, Option("files that cannot be read: refuse, skip, or late (not looked for)")] = "refuse",
        normalise: Annotated[str, Option("by mean and deviation of the data, or of imagenet")] = "data",
        batch_size: BatchSize = 64,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
        augment: Augment = NONE,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.augment = check_augment("augment", augment)
        at_least("size", size, 1)
        require(at_least("channels", channels, 1) in MODES, "channels", channels, "3 (colour), 1 (grey)")
        self.broken = one_of("broken", broken, ("refuse", "skip", "late"))
        self.normalise = one_of("normalise", normalise, ("data", "imagenet"))
        require(channels == 3 or normalise == "data", "normalise", normalise, "data, with channels=1")
        self.root = root
        folder = Path(root).expanduser()
        self.classes = _classes(root, folder)
        self.output_dim, self.input_shape = len(self.classes), (channels, size, size)
        names, self._labels, self._parts = _list_files(root, folder, self.classes)
        self._pictures = Pictures(folder, names, size, channels)

    @property
    def preprocessing(self) -> dict[str, list[float]]:
        """Mean and standard deviation per channel, as `normalise` says."""
        self.setup()
        return self._constants

    def splits(self) -> Splits:
        """The parts that have a folder, and seeded shares of the training pictures for the others."""
        x, y, parts = self._readable()
        generator = torch.Generator().manual_seed(self.seed)
        train, val, test = ((parts == i).nonzero().flatten() for i in range(3))
        share = len(train) // SHARE
        if not len(test):
            train, test = _hold_out(train, y, share, generator)
        if not len(val):
            train, val = _hold_out(train, y, share, generator)
        self._constants = IMAGENET if self.normalise == "imagenet" else _constants(x, train, self.seed)
        return Splits(*(Samples(x, y, rows, self._constants) for rows in (train, val, test)))

    def _readable(self) -> tuple[Pictures, Tensor, Tensor]:
        """The pictures, their labels and their parts (N,), without those that are skipped."""
        x, y, parts = self._pictures, self._labels, self._parts
        wrong = {} if self.broken == "late" else x.unreadable(self.num_workers)
        if wrong and self.broken == "refuse":
            first = f"{next(iter(wrong.values()))} ({len(wrong)} of {len(x)} files)"
            raise ValueError(f"{first}; allowed: pictures, --task.broken skip leaves other files out")
        if wrong:
            first = ", ".join(str(x.path(row)) for row in list(wrong)[:3])
            rank_zero_warn(f"{len(wrong)} of {len(x)} files in {x.root} cannot be read and are skipped: {first}, ...")
        keep = torch.tensor([row not in wrong for row in range(len(x))], dtype=torch.bool)
        x, y, parts = x.of(keep), y[keep], parts[keep]
        _check_classes(self.root, y[parts == 0], self.classes)
        self.digest = hashlib.sha256(b"\0".join([*x.names, y.numpy().tobytes()])).hexdigest()
        return x, y, parts


def _classes(root: str, folder: Path) -> list[str]:
    """The names of the classes, sorted; raises ValueError for a folder that has fewer than two."""
    require(folder.is_dir(), "root", root, "a folder that holds a folder of pictures for each class")
    below = folder / "train" if _has_parts(folder) else folder
    classes = _folders(below)
    if len(classes) < 2:
        some = f"only that of the class {classes[0]!r}" if classes else "none"
        raise ValueError(f"root is {root!r}, and of folders with pictures {below} holds {some}; allowed: at least 2")
    return classes


def _has_parts(folder: Path) -> bool:
    folders = set(_folders(folder))
    return "train" in folders and bool(folders & {"val", "test"}) and folders <= set(PARTS)


def _list_files(root: str, folder: Path, classes: list[str]) -> tuple[list[str], Tensor, Tensor]:
    """The paths below `folder` of all pictures, their labels and the index in PARTS of each, in order."""
    index = {name: label for label, name in enumerate(classes)}
    files: list[tuple[str, int, int]] = []
    for i, part in enumerate(PARTS if _has_parts(folder) else (".",)):
        for name in _folders(folder / part):
            require(name in index, "root", root, f"in {folder / part} the classes of the training part, not {name!r}")
        pictures = make_dataset(folder / part, index, IMG_EXTENSIONS, allow_empty=True)
        files += [(os.path.relpath(path, folder), label, i) for path, label in pictures]
    labels, parts = (torch.tensor([file[k] for file in files], dtype=torch.int64) for k in (1, 2))
    return [file[0] for file in files], labels, parts


def _folders(folder: Path) -> list[str]:
    """The names of the folders in one, sorted; none where it is not there."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()) if folder.is_dir() else []


def _check_classes(root: str, labels: Tensor, classes: list[str]) -> None:
    """Raise ValueError for a class with hardly any training pictures, and for too few in all."""
    for name, count in zip(classes, labels.bincount(minlength=len(classes)).tolist(), strict=True):
        if count < FEWEST_OF_CLASS:
            kinds = ", ".join(IMG_EXTENSIONS)
            raise ValueError(
                f"root is {root!r}, where the class {name!r} has {count} training pictures ({kinds}); "
                f"allowed: at least {FEWEST_OF_CLASS}"
            )
    require(len(labels) >= FEWEST, "root", root, f"at least {FEWEST} training pictures, there are {len(labels)}")


def _hold_out(rows: Tensor, y: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    kept, held = stratified_split(y[rows], size, generator)
    return rows[kept], rows[held]


def _constants(x: Pictures, rows: Tensor, seed: int) -> dict[str, list[float]]:
    """Mean and standard deviation per channel of at most SAMPLED of the pictures `rows`, drawn with the seed."""
    chosen = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:SAMPLED]]
    # Sums of integers are exact; those of floats would depend on the number of threads.
    sums = torch.zeros(2, x.channels, dtype=torch.int64)
    for row in chosen.sort().values.tolist():
        pixels = x.decode(row).long().flatten(1)
        sums += torch.stack([pixels.sum(1), pixels.square().sum(1)])
    n = len(chosen) * x.size**2
    (total, squares) = sums.tolist()
    # Where all pixels are alike, there is nothing to divide by.
    std = [math.sqrt(n * q - t * t) / n or 1.0 for t, q in zip(total, squares, strict=True)]
    return {"mean": [t / n for t in total], "std": std}
