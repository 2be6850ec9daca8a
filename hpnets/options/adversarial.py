"""The options of training classifiers on attacked samples."""

from dataclasses import dataclass
from typing import Any, Literal

from hpnets.options.attack import AttackOptions
from hpnets.options.fields import read_fields
from hpnets.validate import at_least, finite, positive, require


@dataclass
class AdversarialOptions:
    """Training on attacked samples, of classifiers.

    Args:
        eps: radius of the attack as a fraction of the data's range; 0 is none
        steps: gradients of an attack, projected ascent from a random start
        step_size: a step of it, as a fraction of eps
        norm: linf, of each feature, or l2, of all features together
        mix: train on adversarial batches, or on clean ones, or on both, each batch clean and then attacked
        probe: measure the kernel on clean probes, or on probes that attack the network as it is
    """

    eps: float = 0.0
    steps: int = 5
    step_size: float = 0.25
    norm: Literal["linf", "l2"] = "linf"
    mix: Literal["clean", "adversarial", "both"] = "adversarial"
    probe: Literal["clean", "adversarial"] = "clean"

    def __post_init__(self) -> None:
        read_fields(self, "adversarial.")
        finite("adversarial.eps", self.eps, minimum=0)
        fits = self.norm == "l2" or self.eps <= 1
        require(fits, "adversarial.eps", self.eps, "0 to 1, a fraction of the data's range")
        at_least("adversarial.steps", self.steps, 1)
        positive("adversarial.step_size", self.step_size)
        if self.eps == 0:
            self._check_default()

    def _check_default(self) -> None:
        """Raise ValueError for options that would do nothing, since there is no attack."""
        for name in ("steps", "step_size", "norm", "mix", "probe"):
            value, default = getattr(self, name), getattr(type(self), name)
            require(value == default, f"adversarial.{name}", value, f"{default!r} without adversarial.eps")

    def attack(self, seed: int) -> AttackOptions:
        """The attack, with the seed of its random points."""
        same: dict[str, Any] = {name: getattr(self, name) for name in ("eps", "steps", "step_size", "norm")}
        return AttackOptions(**same, seed=seed)
