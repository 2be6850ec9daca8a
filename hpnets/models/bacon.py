"""BACON: the band-limited coordinate network, a multiplicative filter network of frozen frequencies."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.models.mfn import MFN, FilterOptions
from hpnets.models.options import Product, above_0, count
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class BACONOptions(FilterOptions):
    """The filters, their band and the product."""

    frequency: Annotated[int, count("largest frequency of a filter, in cycles a period")] = 2
    period: Annotated[float, above_0("period in each coordinate; 2 is for coordinates in [-1, 1]")] = 2.0
    product: Product = "hadamard"


class FrozenFilter(nn.Module):
    r"""g(x) = sin(2 pi k x / period + p), k integers from -frequency..frequency, never trained, p ~ U(-pi, pi)."""

    k: Tensor

    def __init__(self, inputs: int, outputs: int, frequency: int, period: float) -> None:
        super().__init__()
        self.frequency, self.scale = frequency, 2 * math.pi / period
        self.register_buffer("k", torch.randint(-frequency, frequency + 1, (outputs, inputs)).float())
        self.p = nn.Parameter(torch.empty(outputs).uniform_(-math.pi, math.pi))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(F.linear(self.scale * x, self.k) + self.p)


@register_model("bacon")
class BACON(MFN):
    r"""Sum of band-limited levels, exactly periodic in each coordinate.

        z_1 = g_1(x);   z_{i+1} = (W_i z_i + b_i) * g_{i+1}(x);   f = sum_{i=1..K} (C_i z_i + c_i)
        g_i(x) = sin(2 pi k_i x / period + p_i)

    x: (batch, *input_shape), flattened to coordinates in R^d; z_i: (batch, width); f: (batch, output_dim); K is depth.
    The k_i are frozen integers in -frequency..frequency, so that level i has no frequency beyond i * frequency cycles a
    period in any coordinate, and f none beyond K * frequency.
    The paper trains each level on the target; here one output carries them, f is their sum, and `levels` gives the
    partial sums, coarse to fine.

    Raises ValueError for what the options do not allow.
    Source: Lindell et al. 2022, "BACON: Band-limited Coordinate Networks" (arXiv 2112.04645).
    """

    head_name: ClassVar[None] = None  # each level has its own linear map to the outputs

    @takes(BACONOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: BACONOptions) -> None:
        d = math.prod(input_shape)
        g: list[nn.Module] = [FrozenFilter(d, o.width, o.frequency, o.period) for _ in range(o.depth)]
        super().__init__(g, o.width, output_dim, o.product)
        self.C_i = nn.ModuleList([*(nn.Linear(o.width, output_dim) for _ in g[1:]), self.C])
        del self.C
        for C_i in self.C_i:
            nn.init.normal_(C_i.get_parameter("weight"), std=(2 / (o.width * o.depth)) ** 0.5)

    def levels(self, x: Tensor) -> Tensor:
        """The sums of the first i = 1..K levels, (K, batch, output_dim); the last is f."""
        z = self.layers(x.flatten(1))
        return torch.stack([C_i(z_i) for C_i, z_i in zip(self.C_i, z, strict=True)]).cumsum(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.levels(x)[-1]
