"""How a kernel moves in training: both kernels are of one output selection; a zero kernel gives NaN.

All is computed in float64.
"""

import math

from torch import Tensor
from torch.linalg import vector_norm

from hpnets.ntk.metrics.measurement import Measurement, register_metric


def _now_and_first(m: Measurement) -> tuple[Tensor, Tensor]:
    return m.k_t, m.k_0


def _angle(distance: float) -> float:
    return 2 * math.asin(min(1.0, math.sqrt(distance / 2)))


@register_metric("drift", _now_and_first)
def relative_drift(k_t: Tensor, k_0: Tensor) -> float:
    r"""|K_t - K_0|_F / |K_0|_F: how far the kernel moved, its scale included."""
    a, b = _pair(k_t, k_0)
    return float(vector_norm(a - b) / vector_norm(b))


# The lowest decorator registers first.
@register_metric("polar_angle", _now_and_first, _angle)
@register_metric("cosine_drift", _now_and_first)
def distance(k_1: Tensor, k_2: Tensor) -> float:
    r"""1 - <K_1, K_2>_F / (|K_1|_F |K_2|_F), in [0, 2]: blind to scale (Fort et al. 2020, arXiv 2010.15110).

    Computed as |K_1/|K_1| - K_2/|K_2||^2 / 2, which keeps its digits where the kernels nearly agree.
    """
    a, b = _pair(k_1, k_2)
    return float(vector_norm(a / vector_norm(a) - b / vector_norm(b))) ** 2 / 2


def polar_angle(k_t: Tensor, k_0: Tensor) -> float:
    r"""The angle between K_t and K_0 in radians, arccos(1 - distance), in [0, pi/2] for kernels of one network.

    Computed as 2 arcsin(sqrt(distance / 2)), which keeps its digits at small angles.
    """
    return _angle(distance(k_t, k_0))


def velocity(k_t: Tensor, k_s: Tensor, steps: int) -> float:
    r"""distance(K_t, K_s) / (t - s), per step (Fort et al. 2020); raises ValueError if steps < 1."""
    if steps < 1:
        raise ValueError(f"steps is {steps}; allowed: >= 1")
    return distance(k_t, k_s) / steps


@register_metric("velocity")
def _velocity(m: Measurement) -> float:
    """NaN at the first measurement."""
    return math.nan if m.k_last is None else velocity(m.k_t, m.k_last, m.steps)


def polar_radius(k_t: Tensor, k_0: Tensor, k_end: Tensor) -> float:
    r"""|K_t - K_0|_F / |K_T - K_0|_F: 0 at the start, 1 at the end (Tsilivis and Kempe 2022, arXiv 2210.05577).

    Raises ValueError if K_T is K_0.
    """
    a, b = _pair(k_t, k_0)
    end, _ = _pair(k_end, k_0)
    whole = vector_norm(end - b)
    if whole == 0:
        raise ValueError("k_end equals k_0; allowed: a kernel that moved")
    return float(vector_norm(a - b) / whole)


def _pair(k_1: Tensor, k_2: Tensor) -> tuple[Tensor, Tensor]:
    if k_1.shape != k_2.shape:
        raise ValueError(f"the kernels have shapes {tuple(k_1.shape)} and {tuple(k_2.shape)}; allowed: equal shapes")
    return k_1.double(), k_2.double()
