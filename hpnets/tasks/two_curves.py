"""Binary classification of points on two curves of the sphere."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from hpnets.option_sets import Option
from hpnets.tasks.base import register_task
from hpnets.tasks.curves import Curves, even_points, make_curves, random_points
from hpnets.tasks.kinds import ClassificationTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed, TestSize, TrainSize
from hpnets.tasks.samples import Splits, splits_of
from hpnets.validate import at_least, one_of, require

SPACINGS = ("even", "random")


@register_task("two_curves")
class TwoCurvesTask(ClassificationTask):
    """Which of two curves of the unit sphere a point is on; `hpnets.tasks.curves` has formulas and geometry.

    Half of the points of each split are on each curve, at even parameters t with a phase of each split's own, or at
    random ones; `self.curves` are the curves. Raises ValueError for curves that meet.
    Source: "Deep Networks Provably Classify Data on Curves" (arXiv 2107.14324).
    """

    output_dim = 2
    raw_range = (-1.0, 1.0)
    curves: Curves
    dims: ClassVar[dict[str, int]] = {"coaxial": 3, "sinusoid": 3, "fourier": 10}

    def __init__(
        self,
        curve: Annotated[str, Option("coaxial circles, sinusoid in R^3, or fourier in R^10")] = "coaxial",
        separation: Annotated[
            float | None, Option("offset of the second curve; null is 0.1, 0.24 or 1 / (2 degree), by the curve")
        ] = None,
        amplitude: Annotated[float, Option("height of a sinusoid's waves")] = 0.35,
        frequency: Annotated[int, Option("number of a sinusoid's waves")] = 6,
        degree: Annotated[int, Option("degree of the trigonometric polynomials of fourier")] = 10,
        spacing: Annotated[str, Option("points at even or random parameters of the curves")] = "even",
        train_size: TrainSize = 200,
        test_size: TestSize = 400,
        batch_size: BatchSize = 100,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.curves = make_curves(curve, separation, amplitude, frequency, degree, self.seed)
        self.input_shape = (self.dims[curve],)
        self.spacing = one_of("spacing", spacing, SPACINGS)
        self.train_size, self.test_size = _even("train_size", train_size), _even("test_size", test_size)

    def splits(self) -> Splits:
        """Draw the points; train comes last, so that val and test do not change with train_size."""
        g = torch.Generator().manual_seed(self.seed)
        test, val, train = (self._draw(n // 2, g) for n in (self.test_size, self.test_size, self.train_size))
        return splits_of(train, val, test)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.spacing == "random":
            return random_points(self.curves, n, generator)
        return even_points(self.curves, n, float(torch.rand((), generator=generator)))


def _even(name: str, size: int) -> int:
    require(at_least(name, size, 2) % 2 == 0, name, size, "an even integer >= 2, half of it on each curve")
    return size
