"""ProdPoly: a polynomial of high degree as a composition of polynomials of low degree."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import norm1d
from hpnets.models.ccp import CCP
from hpnets.models.options import Activation, Degree, Norm1d, Product, Width, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class ProdPolyOptions(OptionSet):
    """The polynomials that are composed."""

    blocks: Annotated[int, count("polynomials that are composed")] = 2
    degree: Degree = 2
    width: Width = 128
    activation: Activation = "none"
    norm: Norm1d = "none"
    product: Product = "hadamard"


@register_model("prodpoly")
class ProdPoly(nn.Module):
    r"""Composition of B CCP nets of degree N, so that f has degree N^B in x.

        h_0 = x;   h_b = norm(CCP_b(h_{b-1})), b = 1..B-1;   f = CCP_B(h_{B-1})

    x: (batch, *input_shape), flattened; h_b: (batch, width), as the layers within each CCP; f: (batch, output_dim).
    B is `blocks`, N is `degree`. With activation "none" and norm "none" (or "batch" in eval mode) the degree is N^B
    exactly.

    Raises ValueError for what the options do not allow.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026), product of polynomials. Ours
    differs: every block is a CCP of the same degree and width, where the paper composes any polynomials.
    """

    @takes(ProdPolyOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: ProdPolyOptions) -> None:
        super().__init__()
        sizes = [math.prod(input_shape)] + [o.width] * (o.blocks - 1) + [output_dim]
        self.CCP = nn.ModuleList(
            CCP((a,), b, o.degree, o.width, o.activation, product=o.product) for a, b in itertools.pairwise(sizes)
        )
        self.norm = nn.ModuleList(norm1d(o.norm, o.width) for _ in range(o.blocks - 1))

    def degree_in_x(self) -> int:
        return math.prod(CCP_b.degree_in_x() for CCP_b in self.CCP if isinstance(CCP_b, CCP))

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for CCP_b, norm in zip(self.CCP[:-1], self.norm, strict=True):
            h = norm(CCP_b(h))
        return self.CCP[-1](h)
