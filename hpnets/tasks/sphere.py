"""Regression of a sum of zonal harmonics on the sphere: which frequencies are learnt first?"""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import eval_chebyt, eval_gegenbauer
from torch import Tensor

from hpnets.option_sets import Option
from hpnets.tasks.base import register_task
from hpnets.tasks.kinds import RegressionTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed, TestSize, TrainSize
from hpnets.tasks.samples import Splits, splits_of
from hpnets.validate import at_least, finite, require

Degrees = list[int] | tuple[int, ...] | str


def zonal(k: int, d: int, t: ArrayLike) -> NDArray[np.float64]:
    """The zonal harmonic of degree k on the sphere S^(d-1) in R^d, as a function of t = <x, u>, in float64.

    P_k(t) = C_k^(a)(t) / C_k^(a)(1) with the Gegenbauer index a = (d - 2) / 2, so that P_k(1) = 1; Chebyshev's
    cos(k arccos t) for d = 2, Legendre's P_k for d = 3. They are orthogonal under the weight (1 - t^2)^((d-3)/2),
    the density of t for x uniform on the sphere (another index is not: (d - 1) / 2 leaks into other degrees).
    t is in [-1, 1], any shape. Raises ValueError if k < 0 or d < 2.
    Source: K. Atkinson and W. Han, Spherical Harmonics and Approximations on the Unit Sphere, 2012, section 2.7.
    """
    at_least("k", k, 0)
    index = (at_least("d", d, 2) - 2) / 2
    t64 = np.asarray(t, dtype=np.float64)
    return eval_chebyt(k, t64) if d == 2 else eval_gegenbauer(k, index, t64) / eval_gegenbauer(k, index, 1.0)


def sphere_points(n: int, d: int, generator: torch.Generator) -> Tensor:
    """n points, uniform on the sphere S^(d-1), shape (n, d), float64."""
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


@register_task("sphere")
class SphereTask(RegressionTask):
    """y(x) = sum_k a P_k(<x, u>) over the degrees k, x uniform on S^(dim-1) and u a fixed random direction.

    degrees: integers or text such as "1,3,4"; amplitude: a, the same for all degrees. val has test_size points, too.
    The direction u, (dim,) float64, is `self.direction` after setup. The default batch is the whole training set.
    Source: the spectral experiment of "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product".
    """

    output_dim = 1
    direction: Tensor

    def __init__(
        self,
        dim: Annotated[int, Option("dimension of the space that the sphere lies in")] = 10,
        degrees: Annotated[Degrees, Option("degrees k of the target, as [1, 3] or '1,3'")] = (1, 3, 4, 5, 8, 12),
        amplitude: Annotated[float, Option("amplitude of each harmonic")] = 0.1,
        train_size: TrainSize = 1000,
        test_size: TestSize = 1000,
        batch_size: BatchSize = 1000,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.dim = at_least("dim", dim, 2)
        self.input_shape = (self.dim,)
        self.degrees = _degrees(degrees)
        self.amplitude = finite("amplitude", amplitude)
        self.train_size = at_least("train_size", train_size, 1)
        self.test_size = at_least("test_size", test_size, 1)

    def splits(self) -> Splits:
        """Draw u and the points; train comes last, so that u, val and test do not change with train_size."""
        g = torch.Generator().manual_seed(self.seed)
        self.direction = sphere_points(1, self.dim, g)[0]
        test, val, train = (self._draw(n, g) for n in (self.test_size, self.test_size, self.train_size))
        return splits_of(train, val, test)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = sphere_points(n, self.dim, generator)
        # Rounding can push a unit vector's product with another past 1, outside the domain of the harmonics.
        t = (x @ self.direction).clamp(-1, 1).numpy()
        y = self.amplitude * sum(zonal(k, self.dim, t) for k in self.degrees)
        return x, torch.from_numpy(y).unsqueeze(1)


def _degrees(degrees: list[int] | tuple[int, ...] | str) -> tuple[int, ...]:
    parts = degrees.split(",") if isinstance(degrees, str) else degrees
    try:
        checked = tuple(at_least("degrees", int(k) if isinstance(k, str) else k, 0) for k in parts)
    except ValueError:
        checked = ()
    different = bool(checked) and len(set(checked)) == len(checked)
    require(different, "degrees", degrees, "different integers >= 0, such as 1,3,4")
    return checked
