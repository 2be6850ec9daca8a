"""The empirical neural tangent kernel: pure functions of (net, params, x); torch only."""

from hpnets.ntk import metrics
from hpnets.ntk.blocks import ntk_blocks
from hpnets.ntk.fingerprint import fingerprint
from hpnets.ntk.kernel import ntk
from hpnets.ntk.linearised import Centred, Linearised, centre, linearize
from hpnets.ntk.planning import ParameterPlan, Plan, plan
from hpnets.ntk.ranks import ntk_over_ranks
from hpnets.ntk.rules import GainRule, OuterRule, Rule, register_rule
from hpnets.ntk.sketching import Sketch, sketch
from hpnets.ntk.spectrum import Spectrum, spectrum, trace_kernel

__all__ = [
    "Centred",
    "GainRule",
    "Linearised",
    "OuterRule",
    "ParameterPlan",
    "Plan",
    "Rule",
    "Sketch",
    "Spectrum",
    "centre",
    "fingerprint",
    "linearize",
    "metrics",
    "ntk",
    "ntk_blocks",
    "ntk_over_ranks",
    "plan",
    "register_rule",
    "sketch",
    "spectrum",
    "trace_kernel",
]
