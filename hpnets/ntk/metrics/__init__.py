"""What is read off kernels and their eigenvalues, each one function with its formula; `METRICS` has them by name."""

from hpnets.ntk.metrics.eigen import (
    Decay,
    Extremes,
    condition,
    decay_exponent,
    effective_rank,
    lambda_extremes,
    power_law,
    stable_rank,
    top_k_mass,
)
from hpnets.ntk.metrics.labels import centred_alignment, local_elasticity
from hpnets.ntk.metrics.measurement import METRICS, Measurement, available_metrics, check_metrics, measure
from hpnets.ntk.metrics.motion import distance, polar_angle, polar_radius, relative_drift, velocity

__all__ = [
    "METRICS",
    "Decay",
    "Extremes",
    "Measurement",
    "available_metrics",
    "centred_alignment",
    "check_metrics",
    "condition",
    "decay_exponent",
    "distance",
    "effective_rank",
    "lambda_extremes",
    "local_elasticity",
    "measure",
    "polar_angle",
    "polar_radius",
    "power_law",
    "relative_drift",
    "stable_rank",
    "top_k_mass",
    "velocity",
]
