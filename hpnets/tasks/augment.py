"""Random changes of training images, by name: each is a function of (seed, epoch, sample) alone."""

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Annotated, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hpnets.option_sets import Option
from hpnets.registry import Registry
from hpnets.tasks.samples import Batch, Samples
from hpnets.tasks.sampling import TrainSampler
from hpnets.validate import one_of

Transform = Callable[[Tensor], Tensor]  # of one raw image (C, H, W)
Make = Callable[[tuple[int, ...]], Transform]
Draw = tuple[int, int]  # the epoch, and the row of the data set
NONE = "none"
PADDING = 8  # a crop moves an image by up to its side over PADDING

AUGMENTATIONS: Registry[Make] = Registry("augmentation")
# Decorator of a function that makes a torchvision.transforms.v2 of the shape (C, H, W).
register_augmentation = AUGMENTATIONS.register


@register_augmentation("crop")
def crop(shape: tuple[int, ...]) -> Transform:
    """A crop of the image's own size out of the image with a border of 0, an eighth of its side wide."""
    from torchvision.transforms import v2

    return v2.RandomCrop(shape[1:], padding=max(1, min(shape[1:]) // PADDING))


@register_augmentation("crop_flip")
def crop_flip(shape: tuple[int, ...]) -> Transform:
    """A crop, and every other image mirrored, left to right."""
    from torchvision.transforms import v2

    return v2.Compose([crop(shape), v2.RandomHorizontalFlip()])


def check_augment(name: str, value: str) -> str:
    """`value`, if it is "none" or the name of an augmentation; else ValueError."""
    return one_of(name, value, [NONE, *AUGMENTATIONS.names()])


Augment = Annotated[str, Option("random change of each training image, anew in each epoch", check_augment)]


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """`samples`, of which a row is read as it is, and a pair (epoch, row) is changed at random.

    The random state is seeded from (seed, epoch, row) for each image, and left as it was.
    """

    def __init__(self, samples: Samples, transform: Transform, seed: int) -> None:
        self.samples, self.transform, self.seed = samples, transform, seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int | Draw) -> tuple[Tensor, Tensor]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[int | Draw]) -> Batch:
        if not isinstance(keys[0], tuple):
            return self.samples.__getitems__(cast(list[int], list(keys)))
        draws = cast(Sequence[Draw], keys)
        x, y = self.samples.raw([row for _, row in draws])
        with torch.random.fork_rng(devices=[]):
            x = torch.stack([self._changed(image, draw) for image, draw in zip(x, draws, strict=True)])
        return Batch(self.samples.normalised(x), y)

    def _changed(self, image: Tensor, draw: Draw) -> Tensor:
        state = np.random.SeedSequence((self.seed, *draw)).generate_state(1, np.uint64)
        torch.default_generator.manual_seed(int(state[0]) >> 1)
        return self.transform(image)


class Draws(TrainSampler):
    """A TrainSampler of pairs (epoch, row): what a worker changes does not depend on when it was started."""

    def __iter__(self) -> Iterator[Any]:
        return zip(repeat(self.epoch), super().__iter__())


def augmented(samples: Samples, name: str, shape: tuple[int, ...], seed: int) -> Augmented:
    """`samples`, images of a shape (C, H, W), with the augmentation `name`."""
    return Augmented(samples, AUGMENTATIONS.get(name)(shape), seed)
