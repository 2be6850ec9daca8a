"""The empirical neural tangent kernel: pure functions of (net, params, x); torch only."""

from hpnets.ntk import metrics
from hpnets.ntk.density import Density, density
from hpnets.ntk.fingerprint import fingerprint
from hpnets.ntk.kernel import ntk
from hpnets.ntk.lowrank import LowRank, low_rank
from hpnets.ntk.operator import NTKOperator
from hpnets.ntk.planning import ParameterPlan, Plan, plan
from hpnets.ntk.ranks import ntk_over_ranks
from hpnets.ntk.rules import register_rule
from hpnets.ntk.solve import Solution, solve
from hpnets.ntk.spectrum import Spectrum, spectrum, trace_kernel

__all__ = [
    "Density",
    "LowRank",
    "NTKOperator",
    "ParameterPlan",
    "Plan",
    "Solution",
    "Spectrum",
    "density",
    "fingerprint",
    "low_rank",
    "metrics",
    "ntk",
    "ntk_over_ranks",
    "plan",
    "register_rule",
    "solve",
    "spectrum",
    "trace_kernel",
]
