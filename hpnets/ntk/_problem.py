"""The problem: how many samples, whether they are the same ones twice, and which outputs."""

from dataclasses import dataclass, replace

from torch import Tensor

from hpnets.ntk._output_selection import OutputSelection


@dataclass(frozen=True)
class Problem:
    """A kernel of n1 and n2 samples.

    symmetric: whether these are the same samples, so that half of the kernel suffices. item: bytes of a scalar.
    """

    n1: int
    n2: int
    symmetric: bool
    selection: OutputSelection
    item: int

    @classmethod
    def of(cls, x1: Tensor, x2: Tensor | None, selection: OutputSelection) -> "Problem":
        """The problem of the kernel between x1 and x2; None stands for x1 itself."""
        return cls(len(x1), len(x1 if x2 is None else x2), x2 is None, selection, x1.element_size())

    @property
    def C(self) -> int:
        """The number of selected outputs, the columns of the cotangents."""
        return self.selection.columns

    @property
    def flat(self) -> bool:
        """Whether the kernel has no output axes while it is computed."""
        return self.selection.flat

    @property
    def pairs(self) -> float:
        """The pairs of outputs that a contraction forms for a pair of samples: C for a trace, else C^2."""
        return float(self.C if self.flat else self.C * self.C)

    @property
    def half(self) -> float:
        """The share of a contraction's work that remains: half if the kernel is symmetric."""
        return 0.5 if self.symmetric else 1.0

    @property
    def longest(self) -> int:
        return max(self.n1, self.n2)

    @property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape as the caller gets it."""
        n, C = (self.n1, self.n2), self.C
        return n if self.selection.trace or self.selection.scalar else (*n, C, C)

    @property
    def kernel_bytes(self) -> int:
        return self.n1 * self.n2 * (1 if self.flat else self.C * self.C) * self.item

    def tile(self, size: int) -> "Problem":
        """The problem of one tile of rows and columns."""
        return replace(self, n1=min(size, self.n1), n2=min(size, self.n2))
