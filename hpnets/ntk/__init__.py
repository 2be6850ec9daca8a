"""The empirical neural tangent kernel: pure functions of (net, params, x); torch only."""

from hpnets.ntk import metrics
from hpnets.ntk.blocks import ntk_blocks
from hpnets.ntk.density import Density, density
from hpnets.ntk.fingerprint import fingerprint
from hpnets.ntk.kernel import ntk
from hpnets.ntk.linearised import Centred, Linearised, centre, linearize
from hpnets.ntk.lowrank import LowRank, low_rank
from hpnets.ntk.operator import NTKOperator
from hpnets.ntk.planning import ParameterPlan, Plan, StalePlanError, plan
from hpnets.ntk.rules import GainRule, OuterRule, Rule, register_rule
from hpnets.ntk.sketching import Sketch, sketch
from hpnets.ntk.solve import Solution, solve
from hpnets.ntk.spectrum import Spectrum, spectrum, trace_kernel

__all__ = [
    "Centred",
    "Density",
    "GainRule",
    "Linearised",
    "LowRank",
    "NTKOperator",
    "OuterRule",
    "ParameterPlan",
    "Plan",
    "Rule",
    "Sketch",
    "Solution",
    "Spectrum",
    "StalePlanError",
    "centre",
    "density",
    "fingerprint",
    "linearize",
    "low_rank",
    "metrics",
    "ntk",
    "ntk_blocks",
    "plan",
    "register_rule",
    "sketch",
    "solve",
    "spectrum",
    "trace_kernel",
]
