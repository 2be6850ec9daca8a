"""Training sets that leave something out: sums of two labels, or a sector of the plane."""

import math

import torch
from torch import Tensor

from hpnets.tasks.samples import Samples


def draw_pairs(
    samples: Samples, held: Tensor, inside: bool, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """n random pairs whose sum is among `held` (inside) or is not: both images as one vector (n, 2 D), sums (n, 1)."""
    kept = torch.empty(0, 2, dtype=torch.int64)
    labels = samples.labels
    while len(kept) < n:
        rows = torch.randint(len(samples), (4 * n, 2), generator=generator)
        kept = torch.cat([kept, rows[torch.isin(labels[rows].sum(1), held) == inside]])
    rows = kept[:n]
    x = torch.cat([samples.batch(rows[:, i])[0].flatten(1) for i in (0, 1)], 1)
    return x, labels[rows].sum(1, keepdim=True).float()


def ring(points: int, missing: int, seed: int) -> Tensor:
    """Points (n, 2), 1/2 <= |x| <= 1, outside the sector that is `missing` degrees wide, centred on the first axis."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(2, points, generator=generator)
    half = math.radians(missing) / 2
    angle, radius = half + (2 * math.pi - 2 * half) * u[0], (1 + u[1]) / 2
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
