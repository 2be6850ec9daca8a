"""How each kind of layer gives its parameters' gradients; `register_rule` adds one."""

from hpnets.ntk.rules import conv, elementwise, embedding, linear, norm, transposed
from hpnets.ntk.rules.base import OuterRule, Rule, register_rule, rule_for
from hpnets.ntk.rules.elementwise import GainRule

__all__ = [
    "GainRule",
    "OuterRule",
    "Rule",
    "conv",
    "elementwise",
    "embedding",
    "linear",
    "norm",
    "register_rule",
    "rule_for",
    "transposed",
]
