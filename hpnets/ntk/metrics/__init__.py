"""What is read off kernels and their eigenvalues, each one function with its formula; `METRICS` has them by name."""

from hpnets.ntk.metrics.eigen import (
    Decay,
    Extremes,
    condition,
    decay_exponent,
    effective_rank,
    lambda_extremes,
    stable_rank,
    top_k_mass,
)
from hpnets.ntk.metrics.labels import centred_alignment, local_elasticity
from hpnets.ntk.metrics.motion import distance, polar_angle, polar_radius, relative_drift, velocity
from hpnets.ntk.metrics.track import METRICS, KernelTrack, measure

__all__ = [
    "METRICS",
    "Decay",
    "Extremes",
    "KernelTrack",
    "centred_alignment",
    "condition",
    "decay_exponent",
    "distance",
    "effective_rank",
    "lambda_extremes",
    "local_elasticity",
    "measure",
    "polar_angle",
    "polar_radius",
    "relative_drift",
    "stable_rank",
    "top_k_mass",
    "velocity",
]
