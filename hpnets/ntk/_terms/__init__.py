"""The shares of a structured kernel: how a layer's factors are kept and contracted."""

from hpnets.ntk._terms.base import State, Term
from hpnets.ntk._terms.explicit import Explicit
from hpnets.ntk._terms.functional import Functional
from hpnets.ntk._terms.gram import Gram, Readout
from hpnets.ntk._terms.pooled import Pooled
from hpnets.ntk._terms.positions import Positions
from hpnets.ntk._terms.separable import Separable

__all__ = ["Explicit", "Functional", "Gram", "Pooled", "Positions", "Readout", "Separable", "State", "Term"]
