"""Points of two curves of the sphere with the labels +-1, by short names: "coaxial-0.1", "fourier-10", "digits-500"."""

from functools import cache

import torch
from torch import Tensor

from hpnets.papers.parts.shifted_images import nearest_pair
from hpnets.tasks.curves import Curves, Points, even_points, make_curves, random_points

CURVES = ("coaxial", "sinusoid", "fourier")
# What two of the curves are called at the separations that are usual.
PLAIN = ("coaxial-0.1", "sinusoid-0.24")


def is_drawn(curve: str) -> bool:
    """Whether the curves depend on the seed."""
    return curve.split("-")[0] not in ("coaxial", "sinusoid")


@cache  # that they do not meet is checked once
def curves_of(curve: str, seed: int) -> Curves:
    """The curves "coaxial-S" or "sinusoid-S" at the separation S; drawn: "fourier-D" of degree D, and "<task>-M".

    The last are an image of the task and the nearest of M others, each shifted around.
    """
    name, number = curve.split("-")
    if name not in CURVES:
        return nearest_pair(name, int(number), seed)
    if name == "fourier":
        return make_curves(name, degree=int(number), seed=seed)
    return make_curves(name, separation=float(number))


def points_of(curve: Curves, n: int, phase: float = 0.0, seed: int | None = None) -> Points:
    """n points of each curve, even with this phase, or random ones of a seed; x (2n, d) and +-1 (2n, 1)."""
    generator = torch.Generator().manual_seed(seed or 0)
    x, label = even_points(curve, n, phase) if seed is None else random_points(curve, n, generator)
    return x, 1.0 - 2.0 * label[:, None].double()


def wrong(f: Tensor, y: Tensor) -> float:
    """The share of points that are not on the right side, in %."""
    return 100 * float((~(f * y > 0)).double().mean())
