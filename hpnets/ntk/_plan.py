"""Plans: how each parameter's share of a kernel will be computed, and at what cost."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from hpnets.ntk._problem import Problem
from hpnets.ntk._structured import Schedule
from hpnets.ntk._terms import Term


class StalePlanError(ValueError):
    """The plan was made for other inputs, parameters or weights."""


@dataclass(frozen=True)
class ParameterPlan:
    """How one parameter's share is contracted, its floating-point operations, and the bytes held for it at the peak."""

    name: str
    contraction: str
    flops: float
    peak_bytes: int


@dataclass(frozen=True)
class Plan:
    """How a kernel will be computed; `print(plan)` shows a table.

    parameters: one entry for each; the contraction is "unused" for a parameter that no output depends on, and
    "jacobian" or "loop" for one without a rule. flops: operations of contractions and passes. seconds: the predicted
    time; only ratios between plans mean something. peak_bytes: the predicted working memory, without the result's
    kernel_bytes. proven: names of parameters whose gradients `verify="first"` has proven with this plan, by the
    `settings_of` the network, on whatever samples it was used for; `ntk` adds to it. parts: plans of parts of the
    parameters, whose kernels are computed one after the other and added; () if all are computed at once, in the tiles
    of `schedule`.
    """

    algorithm: str
    shape: tuple[int, ...]
    parameters: tuple[ParameterPlan, ...]
    flops: float
    seconds: float
    peak_bytes: int
    kernel_bytes: int
    schedule: Schedule = field(repr=False)
    sample_shape: tuple[int, ...] = field(repr=False)
    dtype: str = field(repr=False)
    problem: Problem = field(repr=False, compare=False)
    terms: tuple[Term, ...] = field(repr=False, compare=False)
    proven: dict[Hashable, set[str]] = field(default_factory=dict, repr=False, compare=False)
    parts: "tuple[Plan, ...]" = field(default=(), repr=False, compare=False)

    @property
    def tile(self) -> int:
        """The number of samples whose factors are held at a time; for `ntkvp` the number of kernel columns."""
        return self.schedule.tile

    @property
    def chunk(self) -> int:
        """The number of samples of one forward pass."""
        return self.schedule.chunk

    def proven_as(self, settings: Hashable) -> set[str]:
        """The names that are proven of a network with these settings; those of other settings are forgotten."""
        if settings not in self.proven:
            self.proven.clear()
        return self.proven.setdefault(settings, set())

    def __str__(self) -> str:
        width = max([len(p.name) for p in self.parameters] + [9])
        lines = [f"{'parameter':<{width}}  {'contraction':<11} {'GFLOP':>9} {'MiB':>9}"]
        for p in self.parameters:
            lines.append(f"{p.name:<{width}}  {p.contraction:<11} {p.flops / 1e9:>9.3f} {p.peak_bytes / 2**20:>9.2f}")
        tiles = f"{len(self.parts)} parts" if self.parts else f"tiles of {self.tile}, chunks of {self.chunk}"
        lines.append(
            f"{self.algorithm}: kernel {self.shape}, {tiles}: "
            f"{self.flops / 1e9:.2f} GFLOP, peak {self.peak_bytes / 2**20:.1f} MiB "
            f"beside the kernel's {self.kernel_bytes / 2**20:.1f} MiB"
        )
        return "\n".join(lines)
