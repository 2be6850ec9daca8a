"""The options of the optimiser."""

from dataclasses import dataclass

from hpnets.optimisers import OPTIMISERS
from hpnets.options.fields import read_fields
from hpnets.validate import finite, one_of, positive, require


@dataclass
class OptimOptions:
    """Optimiser.

    Args:
        name: adam, adamw, sgd, or one that code of yours registers
        lr: learning rate
        weight_decay: of the optimiser's own kind
        momentum: of sgd; 0 is plain gradient descent
    """

    name: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9

    def __post_init__(self) -> None:
        read_fields(self, "optim.")
        one_of("optim.name", self.name, OPTIMISERS.names())
        positive("optim.lr", self.lr)
        finite("optim.weight_decay", self.weight_decay, minimum=0)
        require(0 <= self.momentum < 1, "optim.momentum", self.momentum, ">= 0 and < 1")
