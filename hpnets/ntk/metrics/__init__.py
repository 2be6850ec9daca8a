"""Numbers that describe kernels and their eigenvalues, each one function; `METRICS` has them by name."""

from hpnets.ntk.metrics.centring import centred_kernel
from hpnets.ntk.metrics.complexity import Witness, complexity_witness
from hpnets.ntk.metrics.drift import distance, polar_angle, polar_radius, relative_drift, velocity
from hpnets.ntk.metrics.eigen import Extremes, condition, effective_rank, lambda_extremes, stable_rank, top_k_mass
from hpnets.ntk.metrics.labels import Elasticity, centred_alignment, elasticity, local_elasticity
from hpnets.ntk.metrics.measurement import (
    METRICS,
    Measurement,
    Metric,
    available_metrics,
    check_metrics,
    check_possible,
    measure,
    register_metric,
)
from hpnets.ntk.metrics.spectral_decay import Decay, decay_exponent, power_law
from hpnets.ntk.metrics.steps import step_elasticity
from hpnets.registry import import_all

__all__ = [
    "METRICS",
    "Decay",
    "Elasticity",
    "Extremes",
    "Measurement",
    "Metric",
    "Witness",
    "available_metrics",
    "centred_alignment",
    "centred_kernel",
    "check_metrics",
    "check_possible",
    "complexity_witness",
    "condition",
    "decay_exponent",
    "distance",
    "effective_rank",
    "elasticity",
    "lambda_extremes",
    "local_elasticity",
    "measure",
    "polar_angle",
    "polar_radius",
    "power_law",
    "register_metric",
    "relative_drift",
    "stable_rank",
    "step_elasticity",
    "top_k_mass",
    "velocity",
]

import_all(__name__, __path__)
