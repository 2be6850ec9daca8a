"""Generation: a generator of pictures is to match the distribution of a classification task's pictures."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.utils import make_grid

from hpnets.tasks.augment import NONE
from hpnets.tasks.base import Predict, Task
from hpnets.tasks.frechet import frechet_distance
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.probe import Probe
from hpnets.tasks.samples import Samples, Splits
from hpnets.validate import at_least

EPOCH = 12_000  # pictures, to the nearest whole pass
GRID, SHOWN_SIDE = 8, 32
MOST = 10_000  # pictures that a distance, and the extremes of black and white, are measured on

Features = tuple[str, Predict]  # by which pictures are compared: a name, and a map of (n, C, H, W), raw, to (n, F)


class GenerationTask(Task):
    """Pictures like those of `source`, from latents z ~ N(0, I) in R^latent.

    The network maps latents (N, latent) to flattened pictures (N, output_dim), normalised as the source's are. Batches
    are the source's: real pictures and their labels. An epoch is the number of whole passes over them, at least one,
    that comes nearest to 12,000 pictures. The probe set consists of fixed latents.
    Measures: frechet, the `frechet_distance` in feature space between the test set and as many pictures made from fixed
    latents; frechet_floor, that between the test set and as many training pictures. features: None compares pictures
    averaged to 8x8.

    Raises ValueError for a source without square pictures in classes or with augmentation, or a latent < 1.
    """

    monitor, monitor_mode = "val/frechet", "min"

    def __init__(self, source: Task, latent: int, features: Features | None = None) -> None:
        super().__init__(source.batch_size, source.seed, source.num_workers)
        shape = source.input_shape
        if not isinstance(source, ClassificationTask) or len(shape) != 3 or shape[1] != shape[2]:
            raise ValueError(f"task {source.name!r} has no pictures to generate; allowed: tasks of square pictures")
        if source.augment != NONE:  # a generator would learn the changes
            raise ValueError(f"task.augment is {source.augment!r}; allowed for models that generate pictures: {NONE!r}")
        self.name, self.source = source.name, source
        self.features, self.featured = features or ("pixels", lambda x: F.adaptive_avg_pool2d(x, 8).flatten(1))
        self.input_shape = (at_least("latent", latent, 1),)
        self.picture_shape, self.output_dim = shape, math.prod(shape)

    def prepare_data(self) -> None:
        """Fetch the source's files, if that was asked for."""
        self.source.prepare_data()

    def state_dict(self) -> dict[str, Any]:
        """What the source's checkpoints keep, by which it knows its data again."""
        return self.source.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError for data that is not what the run began with, as the source does."""
        self.source.load_state_dict(state_dict)

    def splits(self) -> Splits:
        """The source's splits, with its training set repeated for each pass of an epoch."""
        self.source.setup()
        once = self.source.train_set
        passes = max(1, round(EPOCH / len(once)))
        train = Samples(once.x, once.y, once.indices.repeat(passes), self.source.preprocessing)
        return Splits(train, self.source.val_set, self.source.test_set)

    def latents(self, n: int) -> Tensor:
        """n fixed latents, (n, latent), the same in every run with this seed."""
        return torch.randn(n, *self.input_shape, generator=torch.Generator().manual_seed(self.seed))

    def probe(self, n: int) -> Probe:
        """n fixed latents, for which there is no target."""
        return Probe(self.latents(at_least("n", n, 1)), None, None)

    def distances(self, predict: Predict, reference: Samples) -> dict[str, float]:
        """frechet and frechet_floor to the pictures of `reference`, the val or the test set."""
        n = min(len(reference), len(self.source.train_set), MOST)
        real, other = (self._features(s.batch(range(n))[0]) for s in (reference, self.source.train_set))
        made = self._features(predict(self.latents(n)).float().cpu().reshape(n, *self.picture_shape))
        return {"frechet": frechet_distance(made, real), "frechet_floor": frechet_distance(other, real)}

    def measures(self, predict: Predict) -> dict[str, float]:
        """`distances` to the test set."""
        return self.distances(predict, self.test_set)

    def picture(self, predict: Predict) -> Tensor:
        """A grid of 8 x 8 pictures made from fixed latents; black and white are the extremes of training pictures."""
        pictures = predict(self.latents(GRID**2)).float().cpu().reshape(-1, *self.picture_shape)
        raw = self.source.train_set.x[self.source.train_indices[:MOST]]
        low, high = float(raw.min()), float(raw.max())
        grid = make_grid((self._raw(pictures) - low) / (high - low), GRID, padding=1).clamp(0, 1)
        times = max(1, SHOWN_SIDE // self.picture_shape[1])
        return grid.repeat_interleave(times, 1).repeat_interleave(times, 2)

    def _raw(self, pictures: Tensor) -> Tensor:
        samples = self.source.train_set
        return pictures * samples.std + samples.mean

    @torch.no_grad()
    def _features(self, pictures: Tensor) -> Tensor:
        return torch.cat([self.featured(part) for part in self._raw(pictures).split(1000)])
