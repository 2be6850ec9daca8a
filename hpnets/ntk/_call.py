"""What a forward pass shows of one call of a module: its input, and the places of input and output in the graph."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._rules.base import Module


@dataclass(frozen=True)
class Call:
    """One call of a module: its first input A, the edges of A and of the output in the graph, the output's shape.

    version: A's version counter. The output's edge is kept, not the output: an in-place ReLU after the layer replaces
    the tensor but not the edge.
    """

    module: Module
    A: Tensor
    version: int
    A_edge: GradientEdge | None
    edge: GradientEdge
    shape: torch.Size

    @property
    def source(self) -> tuple[object, ...]:
        """A key that is equal for calls that were given the same values in the same memory."""
        return self.A.data_ptr(), self.A.shape, self.A.stride(), self.version
