"""The options of Lightning's Trainer."""

from dataclasses import dataclass

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, require


@dataclass
class TrainerOptions:
    """Lightning's Trainer.

    Args:
        max_epochs: passes over the training set
        devices: how many processes, one a device
        accelerator: auto, cpu, gpu, ...
        strategy: auto, ddp, ...
        precision: 32-true, 64-true, bf16-mixed or 16-mixed
        deterministic: refuse operations that have no deterministic form
    """

    max_epochs: int = 20
    devices: int = 1
    accelerator: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    deterministic: bool = False

    def __post_init__(self) -> None:
        read_fields(self, "trainer.")
        at_least("trainer.max_epochs", self.max_epochs, 1)
        at_least("trainer.devices", self.devices, 1)
        allowed = ("32-true", "64-true", "16-mixed", "bf16-mixed")  # weights in half precision have no exact kernel
        require(self.precision in allowed, "trainer.precision", self.precision, ", ".join(allowed))
