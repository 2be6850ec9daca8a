"""The options of adversarial training."""

from dataclasses import dataclass

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, finite, require


@dataclass
class GANOptions:
    """Adversarial training, of models that generate pictures.

    Args:
        latent: dimension of the latents
        r1: weight gamma of the penalty gamma/2 |grad D|^2 on real pictures
        r1_every: apply it each that many steps from an epoch's first on, that many times as strongly
        ema: decay per step of the averaged generator, which is evaluated and kept
        critic_width: channels of the discriminator at the full resolution
    """

    latent: int = 64
    r1: float = 1.0
    r1_every: int = 16
    ema: float = 0.99
    critic_width: int = 16

    def __post_init__(self) -> None:
        read_fields(self, "gan.")
        for name in ("latent", "r1_every", "critic_width"):
            at_least(f"gan.{name}", getattr(self, name), 1)
        finite("gan.r1", self.r1, minimum=0)
        require(0 <= self.ema < 1, "gan.ema", self.ema, ">= 0 and < 1")
