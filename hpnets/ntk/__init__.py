"""The empirical neural tangent kernel: pure functions of (net, params, x); torch only."""

from hpnets.ntk import metrics
from hpnets.ntk._batch_statistics import estimated_statistics, statistics_remember_start
from hpnets.ntk._blocks import ntk_blocks
from hpnets.ntk._budget import parse_bytes
from hpnets.ntk._checks import check_eval_mode
from hpnets.ntk._draws import drawn_outcomes
from hpnets.ntk._failures import UnprovenWarning
from hpnets.ntk._fingerprint import fingerprint
from hpnets.ntk._functional import Params, call, plain_call, trainable_parameters
from hpnets.ntk._gradients import zero_gradient_fraction
from hpnets.ntk._kernel import ntk
from hpnets.ntk._lambda_min import lambda_min, lambda_min_blocks
from hpnets.ntk._linearised import Centred, Linearised, centre, linearize
from hpnets.ntk._operator import NTKOperator
from hpnets.ntk._output_selection import Outputs, trace_kernel
from hpnets.ntk._plan import ParameterPlan, Plan, StalePlanError
from hpnets.ntk._planning import plan
from hpnets.ntk._reach import graph_nodes
from hpnets.ntk._remembered import settings_of
from hpnets.ntk._rngs import Rngs
from hpnets.ntk._rules import GainRule, OuterRule, Rule, register_rule
from hpnets.ntk._singular_values import SingularValues, singular_values
from hpnets.ntk._sketch import Sketch, sketch
from hpnets.ntk._split import split_kernel
from hpnets.ntk._stages import stage_seconds
from hpnets.ntk._state import undisturbed
from hpnets.ntk._wrappers import eager

__all__ = [
    "Centred",
    "GainRule",
    "Linearised",
    "NTKOperator",
    "OuterRule",
    "Outputs",
    "ParameterPlan",
    "Params",
    "Plan",
    "Rngs",
    "Rule",
    "SingularValues",
    "Sketch",
    "StalePlanError",
    "UnprovenWarning",
    "call",
    "centre",
    "check_eval_mode",
    "drawn_outcomes",
    "eager",
    "estimated_statistics",
    "fingerprint",
    "graph_nodes",
    "lambda_min",
    "lambda_min_blocks",
    "linearize",
    "metrics",
    "ntk",
    "ntk_blocks",
    "parse_bytes",
    "plain_call",
    "plan",
    "register_rule",
    "settings_of",
    "singular_values",
    "sketch",
    "split_kernel",
    "stage_seconds",
    "statistics_remember_start",
    "trace_kernel",
    "trainable_parameters",
    "undisturbed",
    "zero_gradient_fraction",
]
