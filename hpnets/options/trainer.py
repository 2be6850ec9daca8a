"""The options of Lightning's Trainer."""

from dataclasses import dataclass
from typing import Literal

from hpnets.options.fields import read_fields
from hpnets.options.intervals import TIMES, check_interval, check_time, epochs, seconds
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
        max_steps: take n steps instead of max_epochs; -1 for max_epochs
        max_time: end after a time such as 90s, 10m, 8h or 5d, at the latest; or "off"
        num_nodes: how many machines; auto is as many as torchrun has started on, else 1
        accumulate_grad_batches: batches of a step; an epoch leaves out those that do not fill one
        val_every: validate every n steps, at each end of an "epoch", or as "5epochs"; and at the end of the run
        save_every: save last.ckpt every n steps or at times such as 10m, beside each end of an "epoch"
        limit_train_batches: batches of an epoch, as a number or as a share up to 1.0
        compile: train through torch.compile; what is measured, validated and kept is the eager network
    """

    max_epochs: int = 20
    devices: int | Literal["auto"] = "auto"
    accelerator: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    deterministic: bool = False
    max_steps: int = -1
    max_time: str = "off"
    num_nodes: int | Literal["auto"] = "auto"
    accumulate_grad_batches: int = 1
    val_every: int | str = "epoch"
    save_every: int | str = "epoch"
    limit_train_batches: int | float = 1.0
    compile: bool = False

    def __post_init__(self) -> None:
        # What is false here is the text "off", which yaml takes for false.
        self.max_time = "off" if self.max_time is False else self.max_time
        read_fields(self, "trainer.")
        for name in ("max_epochs", "accumulate_grad_batches"):
            at_least(f"trainer.{name}", getattr(self, name), 1)
        for name in ("devices", "num_nodes"):
            value = getattr(self, name)
            require(value == "auto" or value >= 1, f"trainer.{name}", value, "an integer >= 1, 'auto'")
        whole = not self.strategy.startswith(("fsdp", "deepspeed"))
        require(whole, "trainer.strategy", self.strategy, "auto, ddp: a kernel needs all weights on its device")
        allowed = ("32-true", "64-true", "16-mixed", "bf16-mixed")  # weights in half precision have no exact kernel
        require(self.precision in allowed, "trainer.precision", self.precision, ", ".join(allowed))
        steps = self.max_steps >= 1 or self.max_steps == -1
        require(steps, "trainer.max_steps", self.max_steps, "an integer >= 1, or -1 for max_epochs")
        check_time("trainer.max_time", self.max_time)
        check_interval("trainer.val_every", self.val_every, "epoch, 2epochs, ...", bool(epochs(self.val_every)))
        saved = self.save_every == "epoch" or bool(seconds(self.save_every))
        check_interval("trainer.save_every", self.save_every, f"epoch, {TIMES}", saved)
        limit, share = self.limit_train_batches, isinstance(self.limit_train_batches, float)
        fits = 0 < limit <= 1 if share else limit >= 1
        require(fits, "trainer.limit_train_batches", limit, "an integer >= 1 (batches), or a share > 0.0 up to 1.0")
