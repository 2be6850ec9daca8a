"""The shares of a structured kernel: how a layer's factors are kept and contracted."""

from hpnets.ntk.terms.base import State, Term
from hpnets.ntk.terms.explicit import Explicit
from hpnets.ntk.terms.gram import Gram, Readout
from hpnets.ntk.terms.pooled import Pooled
from hpnets.ntk.terms.positions import Positions
from hpnets.ntk.terms.separable import NotSeparable, Separable

__all__ = ["Explicit", "Gram", "NotSeparable", "Pooled", "Positions", "Readout", "Separable", "State", "Term"]
