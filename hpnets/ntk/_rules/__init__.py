"""How each kind of layer gives its parameters' gradients; `register_rule` adds one, in a file of its own here."""

from hpnets.ntk._rules.base import OuterRule, Rule, register_rule, rule_for
from hpnets.ntk._rules.elementwise import GainRule
from hpnets.registry import import_all

__all__ = ["GainRule", "OuterRule", "Rule", "register_rule", "rule_for"]

import_all(__name__, __path__)
