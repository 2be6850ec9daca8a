"""The options of the optimiser."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hpnets.optimisers import OPTIMISERS
from hpnets.options.fields import read_fields
from hpnets.validate import finite, positive, require

if TYPE_CHECKING:
    OptimiserName = str
else:
    OptimiserName = Literal[tuple(OPTIMISERS.names())]


@dataclass
class OptimOptions:
    """Optimiser.

    Args:
        name: one of those in hpnets/optimisers.py
        lr: learning rate
        weight_decay: of the optimiser's own kind
        momentum: of sgd; 0 is plain gradient descent
    """

    name: OptimiserName = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9

    def __post_init__(self) -> None:
        read_fields(self, "optim.")
        positive("optim.lr", self.lr)
        finite("optim.weight_decay", self.weight_decay, minimum=0)
        require(0 <= self.momentum < 1, "optim.momentum", self.momentum, ">= 0 and < 1")
