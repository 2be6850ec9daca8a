"""The options of curvature tracking."""

from dataclasses import dataclass
from typing import Literal

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, require


@dataclass
class CurvatureOptions:
    """Curvature tracking.

    Args:
        every: measure the sharpness after every n steps, at each end of an "epoch", at "log"-spaced steps, or "off"
        probe: number of training samples, one fixed batch, whose loss it is of
        k: how many of the largest eigenvalues are logged
    """

    every: int | Literal["epoch", "log", "off"] = "off"
    probe: int = 100
    k: int = 1

    def __post_init__(self) -> None:
        read_fields(self, "curvature.")
        at_least("curvature.probe", self.probe, 1)
        at_least("curvature.k", self.k, 1)
        steps = isinstance(self.every, str) or self.every >= 1
        require(steps, "curvature.every", self.every, "an integer >= 1, 'epoch', 'log' or 'off'")
