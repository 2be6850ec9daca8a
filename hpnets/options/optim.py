"""The options of the optimiser."""

from dataclasses import dataclass, field

from hpnets.optimisers import OPTIMISERS
from hpnets.options.fields import read_fields
from hpnets.schedules import SCHEDULES
from hpnets.validate import finite, one_of, positive, require


@dataclass
class OptimOptions:
    """Optimiser.

    Args:
        name: adam, adamw, sgd, or one that code of yours registers
        lr: learning rate
        weight_decay: of the optimiser's own kind, of weights alone; biases, norms and gates are spared
        momentum: of sgd; 0 is plain gradient descent
        nesterov: of sgd; take the gradient ahead by the momentum
        betas: of adam and adamw, the decay of the means of the gradient and of its square
        schedule: constant, cosine, linear, step, wsd, or one that code of yours registers
        warmup: the rate grows linearly for so many steps, or, below 1, for this fraction of the run
        final: factor of the rate at the end of cosine, linear and wsd
        milestones: fractions of what follows the warmup at which step multiplies the rate by gamma
        gamma: factor of step at each milestone
        cooldown: fraction of what follows the warmup in which wsd falls
        clip: largest norm of the gradient of all parameters, which is scaled down to it; 0 is none
        ema: decay per step of averaged weights, which are validated, tested and kept; 0 is none
        mixup: alpha of Beta(alpha, alpha), by which pairs of samples and labels are mixed; 0 is none
        label_smoothing: part of each label that is spread over all classes in training
    """

    name: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    schedule: str = "constant"
    warmup: float = 0.0
    final: float = 0.0
    milestones: list[float] = field(default_factory=lambda: [0.5, 0.75])
    gamma: float = 0.1
    cooldown: float = 0.2
    clip: float = 0.0
    ema: float = 0.0
    mixup: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        read_fields(self, "optim.")
        one_of("optim.name", self.name, OPTIMISERS.names())
        one_of("optim.schedule", self.schedule, SCHEDULES.names())
        positive("optim.lr", self.lr)
        for name in ("weight_decay", "warmup", "clip", "mixup"):
            finite(f"optim.{name}", getattr(self, name), minimum=0)
        for name in ("momentum", "ema", "label_smoothing"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optim.{name}", value, ">= 0 and < 1")
        self._check_schedule()
        require(not self.nesterov or self.momentum > 0, "optim.nesterov", self.nesterov, "false with momentum 0")
        two = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        require(two, "optim.betas", self.betas, "two numbers >= 0 and < 1")

    def _check_schedule(self) -> None:
        whole = self.warmup < 1 or self.warmup == int(self.warmup)
        require(whole, "optim.warmup", self.warmup, "a whole number of steps, or a fraction < 1 of the run")
        require(0 <= self.final <= 1, "optim.final", self.final, "0 to 1")
        fractions = all(0 < milestone < 1 for milestone in self.milestones)
        require(fractions, "optim.milestones", self.milestones, "fractions > 0 and < 1")
        positive("optim.gamma", self.gamma)
        require(0 < self.cooldown <= 1, "optim.cooldown", self.cooldown, "> 0 and <= 1")
