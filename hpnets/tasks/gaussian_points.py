"""Memorisation: drawn points with drawn labels, which nothing but the training points themselves can teach."""

from typing import Annotated

import torch
from torch import Tensor

from hpnets.option_sets import Option
from hpnets.tasks.base import Predict, register_task
from hpnets.tasks.kinds import RegressionTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed, TestSize, TrainSize
from hpnets.tasks.samples import Splits, splits_of
from hpnets.validate import at_least, one_of

POINTS, LABELS = ("gaussian", "sphere"), ("normal", "sign")


@register_task("gaussian_points")
class GaussianPointsTask(RegressionTask):
    """Labels y ~ N(0, 1) or +-1, drawn apart from the points x ~ N(0, I), or uniform on the sphere |x| = 1.

    Points and labels are independent, so that f = 0 is the best function on new points: val and test, new points with
    new labels, say what memorising costs (their mse is 1 for f = 0), and `train_mse` says what is left to memorise.
    The default batch is the whole training set.
    Source: Bombari, Amani and Mondelli 2022 (arXiv 2205.10217), the Gaussian data of its experiments.
    """

    output_dim = 1

    def __init__(
        self,
        dim: Annotated[int, Option("dimension of a point")] = 20,
        points: Annotated[str, Option("gaussian: N(0, 1) coordinates; sphere: uniform, of norm 1")] = "gaussian",
        labels: Annotated[str, Option("normal: N(0, 1); sign: -1 or 1")] = "normal",
        train_size: TrainSize = 300,
        test_size: TestSize = 300,
        batch_size: BatchSize = 300,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.points, self.labels = one_of("points", points, POINTS), one_of("labels", labels, LABELS)
        self.dim = at_least("dim", dim, 2 if points == "sphere" else 1)
        self.input_shape = (self.dim,)
        self.train_size = at_least("train_size", train_size, 1)
        self.test_size = at_least("test_size", test_size, 1)

    def splits(self) -> Splits:
        """Draw the three sets; train comes last, so that val and test do not change with train_size."""
        g = torch.Generator().manual_seed(self.seed)
        test, val, train = (self._draw(n, g) for n in (self.test_size, self.test_size, self.train_size))
        return splits_of(train, val, test)

    def measures(self, predict: Predict) -> dict[str, float]:
        """The mean squared error on the training points, in eval mode: 0 where all labels are memorised."""
        x, y = self.train_set.batch(range(len(self.train_set)))
        return {"train_mse": float((predict(x).cpu() - y).square().mean())}

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        gaussian = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        y = torch.randn(n, 1, generator=generator, dtype=torch.float64)
        x = gaussian / gaussian.norm(dim=1, keepdim=True) if self.points == "sphere" else gaussian
        return x, y.sign() if self.labels == "sign" else y
