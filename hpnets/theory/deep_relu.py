r"""The kernel of deep ReLU networks on the unit sphere, a function of the angle between two points, in float64."""

import math

import torch
from torch import Tensor

from hpnets.validate import at_least, require, require_shape

# Points whose norm differs from 1 by more than this are not on the sphere; rounding in float32 moves it by 1e-7.
ON_SPHERE = 1e-5
# Below this angle sin v - v cos v is summed as a series, since the difference would lose digits; its coefficients of
# v^3, -v^5, v^7, .. are 2k / (2k + 1)!, and seven of them leave 1e-16 of it.
SMALL = 0.5
SERIES = [2 * k / math.factorial(2 * k + 1) for k in range(1, 8)]


def angles(x1: Tensor, x2: Tensor | None = None) -> Tensor:
    r"""The angles in [0, pi] between points x1 (N1, d) and x2 (N2, d) of the unit sphere, shape (N1, N2), float64.

    v = 2 atan2(|x - x'|, |x + x'|), which keeps all digits of angles near 0 and pi, where arccos <x, x'> has none.
    x2: None means x1. Raises ValueError for points off the sphere.
    """
    x1, x2 = _on_sphere("x1", x1), _on_sphere("x2", x1 if x2 is None else x2)
    exact = "donot_use_mm_for_euclid_dist"
    return 2 * torch.atan2(torch.cdist(x1, x2, compute_mode=exact), torch.cdist(x1, -x2, compute_mode=exact))


def angle_map(v: Tensor) -> Tensor:
    r"""The angle of two points' features after one wide ReLU layer, of v before it: float64, any shape.

        phi(v) = arccos((1 - v/pi) cos v + sin v / pi)

    It is computed from sin^2(phi/2) = sin^2(v/2) - (sin v - v cos v) / (2 pi), which keeps all digits of small angles.
    Raises ValueError for angles outside [0, pi]. Source: Cho and Saul 2009, "Kernel Methods for Deep Learning".
    """
    v = _checked(v)
    return 2 * ((v / 2).sin().square() - _sine_difference(v) / (2 * math.pi)).clamp(0, 1).sqrt().arcsin()


def angle_kernel(v: Tensor, depth: int) -> Tensor:
    r"""The limit NTK of a ReLU network of `depth` hidden layers at points of the unit sphere at angles v: float64.

        psi(v) = 1/2 sum_{l=0}^{L-1} cos phi[l](v) prod_{l'=l}^{L-1} (1 - phi[l'](v) / pi),   psi(0) = L/2

    phi[l] is `angle_map` applied l times, L the depth. It is the limit of K/n for the width n, hidden weights
    N(0, 2/n) and a read-out N(0, 1). The read-out's own share, cos phi[L] / n, vanishes in this limit; in that of
    `limit_kernel(mlp, x)` it is there: its ntk is (2 psi + cos phi[L]) / d and its covariance cos phi[L] / d.
    Raises ValueError for a depth < 1 and angles outside [0, pi].
    Source: Wang, Buchanan, Gilboa and Wright 2021, "Deep Networks Provably Classify Data on Curves" (arXiv 2107.14324).
    """
    phi = _checked(v)
    total = torch.zeros_like(phi)
    for _ in range(at_least("depth", depth, 1)):
        total = (total + phi.cos()) * (1 - phi / math.pi)
        phi = angle_map(phi)
    return total / 2


def _sine_difference(v: Tensor) -> Tensor:
    """sin v - v cos v."""
    series = torch.zeros_like(v)
    for coefficient in reversed(SERIES):
        series = coefficient - v.square() * series
    return torch.where(v < SMALL, v**3 * series, v.sin() - v * v.cos())


def _checked(v: Tensor) -> Tensor:
    v = torch.as_tensor(v, dtype=torch.float64)
    outside = v[~((v >= 0) & (v <= math.pi))]
    require(len(outside) == 0, "v", float(outside[0]) if len(outside) else 0.0, "angles from 0 to pi")
    return v


def _on_sphere(name: str, x: Tensor) -> Tensor:
    require_shape(x.ndim == 2 and x.numel() > 0, name, x, "(N, d), points of the sphere")
    x = x.double()
    off = (x.norm(dim=1) - 1).abs()
    worst = float(x[off.nan_to_num(math.inf).argmax()].norm())
    if not bool((off <= ON_SPHERE).all()):
        raise ValueError(f"{name} holds a point of norm {worst:.6g}; allowed: 1: {name} / {name}.norm(dim=1)[:, None]")
    return x
