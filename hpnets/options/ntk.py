"""The options of kernel tracking."""

from dataclasses import dataclass
from typing import Literal

from hpnets.options.fields import read_fields
from hpnets.validate import at_least, require


@dataclass
class NTKOptions:
    """Kernel tracking.

    Args:
        probe: number of training samples that the kernel is measured on
        every: measure after every n steps, at each end of an "epoch", at "log"-spaced steps, or "off"
        outputs: "trace", "full", "sum", or the index of one logit
        metrics: "all", or some of the names in docs/concepts/tracking.md
        algorithm: how the kernel is computed; auto is the cheapest that fits
        save_kernels: keep every measured kernel in ntk.safetensors, not only its spectrum
        batch_statistics: while BatchNorm's statistics remember their start, estimate them on training batches, or
            measure with the running ones
        blocks: shell patterns, parted by commas, of parameters or modules whose own kernels are tracked too
    """

    probe: int = 100
    every: int | Literal["epoch", "log", "off"] = "epoch"
    outputs: int | Literal["trace", "full", "sum"] = "trace"
    metrics: Literal["all"] | list[str] = "all"
    algorithm: Literal["auto", "structured", "jacobian", "ntkvp"] = "auto"
    save_kernels: bool = False
    batch_statistics: Literal["estimate", "running"] = "estimate"
    blocks: str = ""

    def __post_init__(self) -> None:
        read_fields(self, "ntk.")
        at_least("ntk.probe", self.probe, 1)
        steps = isinstance(self.every, str) or self.every >= 1
        require(steps, "ntk.every", self.every, "an integer >= 1, 'epoch', 'log' or 'off'")
        logit = isinstance(self.outputs, str) or self.outputs >= 0
        require(logit, "ntk.outputs", self.outputs, "a logit, trace, full, sum")
