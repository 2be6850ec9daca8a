"""The options of Lightning's Trainer."""

from dataclasses import dataclass
from typing import Literal

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, require


@dataclass
class TrainerOptions:
    """Lightning's Trainer.

    Args:
        max_epochs: passes over the training set
        devices: how many processes a node, one a device; auto is as many as torchrun has started, else 1
        accelerator: auto, cpu, gpu, ...
        strategy: auto, ddp, ...
        precision: 32-true, 64-true, bf16-mixed or 16-mixed
        deterministic: refuse operations that have no deterministic form
        num_nodes: how many machines; auto is as many as torchrun has started on, else 1
    """

    max_epochs: int = 20
    devices: int | Literal["auto"] = "auto"
    accelerator: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    deterministic: bool = False
    num_nodes: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        read_fields(self, "trainer.")
        at_least("trainer.max_epochs", self.max_epochs, 1)
        for name in ("devices", "num_nodes"):
            value = getattr(self, name)
            require(value == "auto" or value >= 1, f"trainer.{name}", value, "an integer >= 1, 'auto'")
        whole = not self.strategy.startswith(("fsdp", "deepspeed"))
        require(whole, "trainer.strategy", self.strategy, "auto, ddp: a kernel needs all weights on its device")
        allowed = ("32-true", "64-true", "16-mixed", "bf16-mixed")  # weights in half precision have no exact kernel
        require(self.precision in allowed, "trainer.precision", self.precision, ", ".join(allowed))
