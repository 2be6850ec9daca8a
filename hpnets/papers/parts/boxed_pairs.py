"""Pairs of images in float64 with the box of their pixels, for attacks."""

from typing import NamedTuple

from torch import Tensor

from hpnets.attacks import Box
from hpnets.papers.parts.image_pairs import image_pair
from hpnets.tasks import create_task
from hpnets.tasks.kinds import ClassificationTask


class BoxedPart(NamedTuple):
    """Standardised images (N, C, H, W) float64, and labels (N,), 0 for the first class and 1 for the second."""

    x: Tensor
    y: Tensor

    @property
    def targets(self) -> Tensor:
        """-1 and +1, (N, 1) float64."""
        return 2.0 * self.y[:, None].double() - 1


class BoxedPair(NamedTuple):
    """Training, validation and test samples, and the least and greatest pixels."""

    train: BoxedPart
    validation: BoxedPart
    test: BoxedPart
    box: Box


def pair_of(data: str, train: int, test: int, seed: int, device: str = "cpu") -> BoxedPair:
    """`image_pair` of a pair such as "fashion_mnist 2-4"; validation has as many samples as the test."""
    task = create_task(data.partition(" ")[0])
    if not isinstance(task, ClassificationTask) or len(task.input_shape) != 3:
        raise ValueError(f"data is {data!r}; allowed: pairs of digits, fashion_mnist, mnist, cifar10")
    task.setup()
    drawn = image_pair(data, (train, test, test), seed)
    parts = [BoxedPart(part.x.double().to(device), part.labels.to(device)) for part in drawn]
    return BoxedPair(parts[0], parts[1], parts[2], (task.box.low.to(device), task.box.high.to(device)))
