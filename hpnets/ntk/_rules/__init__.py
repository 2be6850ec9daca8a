"""How each kind of layer gives its parameters' gradients; `register_rule` adds one."""

from hpnets.ntk._rules import conv, elementwise, embedding, linear, norm, transposed
from hpnets.ntk._rules.base import OuterRule, Rule, register_rule, rule_for
from hpnets.ntk._rules.elementwise import GainRule

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
