"""What a forward pass shows of one call: its input, and where input and output hang in the graph."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._rules.base import Module


@dataclass(frozen=True)
class Call:
    """One call of a module: its first input A, where A and the output hang in the graph, and the output's shape.

    An edge, not the output itself: a ReLU in place after the layer replaces the tensor but not the edge.
    """

    module: Module
    A: Tensor
    version: int
    A_edge: GradientEdge | None
    edge: GradientEdge
    shape: torch.Size

    @property
    def source(self) -> tuple[object, ...]:
        """Equal for calls that were given the same values in the same memory."""
        return self.A.data_ptr(), self.A.shape, self.A.stride(), self.version
