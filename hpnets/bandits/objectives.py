"""Objectives to maximise: draws of a kernel, two classics, hyper-parameters, images, categorical inputs."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hpnets.kernels import KernelFunction, jittered_cholesky
from hpnets.validate import at_least, finite, require, require_shape


@dataclass(frozen=True)
class Objective:
    """A finite set of candidates (M, *shape) with their values (M,), float64, of mean 0 and standard deviation 1."""

    candidates: Tensor
    values: Tensor

    @property
    def best(self) -> float:
        """The greatest value."""
        return float(self.values.max())

    def at(self, x: Tensor) -> Tensor:
        """The values (n,) at candidates x (n, *shape); raises ValueError for what is no candidate."""
        same = (x.flatten(1)[:, None] == self.candidates.flatten(1)[None]).all(-1)
        require(bool(same.any(1).all()), "x", tuple(x.shape), "candidates of the objective")
        return self.values[same.int().argmax(1)]


def standardised(candidates: Tensor, values: Tensor) -> Objective:
    """The objective with these values, shifted and scaled to mean 0 and deviation 1; ValueError for constant values."""
    values = values.double()
    require_shape(values.shape == (len(candidates),), "values", values, f"({len(candidates)},)")
    require(bool(values.max() > values.min()), "values", float(values[0]), "values that differ")
    return Objective(candidates, (values - values.mean()) / values.std(correction=0))


def sphere_points(count: int, dim: int, seed: int) -> Tensor:
    """`count` uniform points of the unit sphere in R^dim, float32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(at_least("count", count, 1), dim, generator=generator))


def kernel_draw(kernel: KernelFunction, candidates: Tensor, seed: int) -> Objective:
    """A draw of GP(0, kernel) at the candidates, as it is: neither shifted nor scaled."""
    L, _ = jittered_cholesky(kernel(candidates, candidates))
    generator = torch.Generator().manual_seed(seed)
    return Objective(candidates, L @ torch.randn(len(L), generator=generator, dtype=torch.float64).to(L))


def branin(x: Tensor) -> Tensor:
    """Minus Branin's function (n,) of x (n, 2) in [0, 1]^2, which stand for [-5, 10] x [0, 15]; at most -0.397887."""
    a, b = 15 * x[:, 0] - 5, 15 * x[:, 1]
    valley = b - 5.1 / (4 * math.pi**2) * a.square() + 5 / math.pi * a - 6
    return -(valley.square() + 10 * (1 - 1 / (8 * math.pi)) * a.cos() + 10)


_HARTMANN_A = (
    (10.0, 3.0, 17.0, 3.5, 1.7, 8.0),
    (0.05, 10.0, 17.0, 0.1, 8.0, 14.0),
    (3.0, 3.5, 1.7, 10.0, 17.0, 8.0),
    (17.0, 8.0, 0.05, 10.0, 0.1, 14.0),
)
_HARTMANN_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)


def hartmann6(x: Tensor) -> Tensor:
    """sum_i c_i exp(-sum_j A_ij (x_j - P_ij)^2), (n,), of x (n, 6) in [0, 1]^6: minus Hartmann's; at most 3.32237."""
    A, P = torch.tensor(_HARTMANN_A).to(x), torch.tensor(_HARTMANN_P).to(x) / 1e4
    c = torch.tensor((1.0, 1.2, 3.0, 3.2)).to(x)
    return torch.exp(-(A * (x[:, None] - P).square()).sum(-1)) @ c


def on_box(function: Callable[[Tensor], Tensor], dim: int, count: int, seed: int) -> Objective:
    """A function on `count` scrambled Sobol points of [0, 1]^dim, standardised; candidates are in [-1, 1]^dim."""
    unit = torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed).draw(at_least("count", count, 2))
    return standardised(2 * unit - 1, function(unit))


@lru_cache(maxsize=4)
def svm_digits(side: int = 12, train: int = 300, test: int = 300) -> Objective:
    """The accuracy of a support vector machine on held-out digits, over side x side values of log C and log gamma.

    C runs from 1e-2 to 1e4, gamma from 1e-6 to 1, both in equal steps of their logarithms; candidates are in [-1, 1]^2.
    """
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC

    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).numpy()
    fit, held_out = order[:train], order[train : train + test]
    line = torch.linspace(-1, 1, at_least("side", side, 2))
    points = torch.tensor(list(itertools.product(line.tolist(), repeat=2)))
    values = [
        SVC(C=10 ** (1 + 3 * c), gamma=10 ** (-3 + 3 * g)).fit(x[fit], y[fit]).score(x[held_out], y[held_out])
        for c, g in points.tolist()
    ]
    return standardised(points, torch.tensor(values))


def images_by_class(images: Tensor, labels: Tensor, seed: int, spread: float = 0.3) -> Objective:
    """A reward of images (M, *shape): N(0, 1) for the class, and `spread` times the ink, the scaled sum of pixels.

    labels: (M,) integers. What is to be found is the class, from pixels alone, and then the image within it. Candidates
    are the images divided by their norm.
    """
    require_shape(labels.shape == (len(images),), "labels", labels, f"({len(images)},)")
    generator = torch.Generator().manual_seed(seed)
    reward = torch.randn(int(labels.max()) + 1, generator=generator, dtype=torch.float64)
    ink = images.flatten(1).double().sum(1)
    ink = (ink - ink.mean()) / ink.std().clamp_min(1e-12)
    flat = torch.nn.functional.normalize(images.flatten(1))
    return standardised(flat.view(images.shape), reward[labels] + finite("spread", spread, 0) * ink)


def categorical(variables: int, levels: int, count: int, share: float, seed: int) -> Objective:
    r"""A function of categorical variables, of which `share` of the variance is interactions of two of them.

        f = sqrt(1 - share) sum_v a_v[c_v] + sqrt(share) sum_(v < w) b_vw[c_v, c_w],   a, b ~ N(0, 1)

    each sum scaled to variance 1 over all combinations; b has mean 0 along both of its arguments, so that it holds no
    share of a. Candidates: `count` different combinations drawn at random, one-hot, (count, variables * levels), of
    norm 1. Raises ValueError for fewer than 2 variables or levels, a count above levels^variables, or a share outside
    [0, 1].
    """
    v, n = at_least("variables", variables, 2), at_least("levels", levels, 2)
    require(2 <= count <= n**v, "count", count, f"2 to {n**v}, the combinations")
    require(0 <= share <= 1, "share", share, "0 to 1")
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(v, n, generator=generator, dtype=torch.float64)
    b = torch.randn(v, v, n, n, generator=generator, dtype=torch.float64)
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(2, keepdim=True) - b.mean(3, keepdim=True) + b.mean((2, 3), keepdim=True)
    every = torch.cartesian_prod(*[torch.arange(n)] * v)
    main = sum(a[i, every[:, i]] for i in range(v))
    pairs = sum(b[i, j, every[:, i], every[:, j]] for i, j in itertools.combinations(range(v), 2))
    f = (1 - share) ** 0.5 * main / main.std() + share**0.5 * pairs / pairs.std()  # type: ignore[union-attr]
    chosen = torch.randperm(len(every), generator=generator)[:count]
    hot = torch.nn.functional.one_hot(every[chosen], n).flatten(1).float() / v**0.5
    return standardised(hot, f[chosen])
