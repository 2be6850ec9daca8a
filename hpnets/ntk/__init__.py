"""The empirical neural tangent kernel: pure functions of (net, params, x); torch only."""

from hpnets.ntk import metrics
from hpnets.ntk.fingerprint import fingerprint
from hpnets.ntk.kernel import ntk
from hpnets.ntk.planning import ParameterPlan, Plan, plan
from hpnets.ntk.ranks import ntk_over_ranks
from hpnets.ntk.rules import register_rule
from hpnets.ntk.spectrum import Spectrum, spectrum, trace_kernel

__all__ = [
    "ParameterPlan",
    "Plan",
    "Spectrum",
    "fingerprint",
    "metrics",
    "ntk",
    "ntk_over_ranks",
    "plan",
    "register_rule",
    "spectrum",
    "trace_kernel",
]
