"""The options of an attack on a classifier."""

from dataclasses import dataclass
from typing import Literal

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, finite, one_of, positive, require

ATTACKS = ("pgd", "fgsm", "noise")
LOSSES = ("cross_entropy", "margin")


@dataclass
class AttackOptions:
    """Attack on the test samples, whose range is 1 in each feature.

    Args:
        eps: radius as a fraction of the data's range; 0 is no attack
        name: pgd, fgsm, or noise (random points of the ball)
        norm: linf, of each feature, or l2, of all features together
        steps: gradients of each start of pgd
        step_size: a step of pgd, as a fraction of eps
        random_start: start pgd at a random point of the ball, not at the sample
        restarts: starts of pgd, or random points of noise
        loss: what ascends, cross_entropy or margin (the largest other logit less that of the label)
        seed: of the random points, which depend on it and the sample alone
    """

    eps: float = 0.0
    name: str = "pgd"
    norm: Literal["linf", "l2"] = "linf"
    steps: int = 20
    step_size: float = 0.25
    random_start: bool = True
    restarts: int = 1
    loss: str = "cross_entropy"
    seed: int = 0

    def __post_init__(self) -> None:
        read_fields(self, "attack.")
        finite("attack.eps", self.eps, minimum=0)
        fits = self.norm == "l2" or self.eps <= 1
        require(fits, "attack.eps", self.eps, "0 to 1, a fraction of the data's range")
        one_of("attack.name", self.name, ATTACKS)
        one_of("attack.loss", self.loss, LOSSES)
        positive("attack.step_size", self.step_size)
        for name, minimum in (("steps", 1), ("restarts", 1), ("seed", 0)):
            at_least(f"attack.{name}", getattr(self, name), minimum)
        fits = self.random_start or self.restarts == 1 or self.name != "pgd"
        require(fits, "attack.restarts", self.restarts, "1 without a random start, as all would be the same")

    def __str__(self) -> str:
        """The attack and its settings, in words."""
        start = f"{self.restarts} random" if self.random_start else "its"
        how = {
            "pgd": f", {self.steps} steps of {self.step_size:g} eps from {start} start(s) a sample",
            "fgsm": ", 1 step of eps",
            "noise": f", {self.restarts} random point(s) a sample",
        }[self.name]
        seeded = "" if self.name == "fgsm" or (self.name == "pgd" and not self.random_start) else f", seed {self.seed}"
        return f"{self.name}, eps {self.eps:g} of the data's range in {self.norm}{how}, loss {self.loss}{seeded}"
