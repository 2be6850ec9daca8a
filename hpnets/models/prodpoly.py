"""ProdPoly: a polynomial of high degree as a composition of polynomials of low degree."""

import itertools
import math

from torch import Tensor, nn

from hpnets.layers import norm1d
from hpnets.models.ccp import CCP
from hpnets.models.registry import register_model
from hpnets.validate import at_least


@register_model("prodpoly")
class ProdPoly(nn.Module):
    r"""Composition of B CCP nets of degree N, so that f has degree N^B in x.

        h_0 = x;   h_b = norm(CCP_b(h_{b-1})), b = 1..B-1;   f = CCP_B(h_{B-1})

    x: (batch, *input_shape), flattened; h_b: (batch, width), as the layers within each CCP; f: (batch, output_dim).
    B is `blocks`, N is `degree`. With activation "none" and norm "none" (or "batch" in eval mode) the degree is N^B
    exactly. With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for blocks, degree or width < 1, an unknown activation, norm or product.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026), product of polynomials. Ours
    differs: every block is a CCP of the same degree and width, where the paper composes any polynomials.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        blocks: int = 2,
        degree: int = 2,
        width: int = 128,
        activation: str = "none",
        norm: str = "none",
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        at_least("blocks", blocks, 1), at_least("width", width, 1)
        sizes = [math.prod(input_shape)] + [width] * (blocks - 1) + [output_dim]
        self.CCP = nn.ModuleList(
            CCP((a,), b, degree, width, activation, product=product) for a, b in itertools.pairwise(sizes)
        )
        self.norm = nn.ModuleList(norm1d(norm, width) for _ in range(blocks))[: blocks - 1]  # one block checks it too

    def degree_in_x(self) -> int:
        return math.prod(CCP_b.degree_in_x() for CCP_b in self.CCP if isinstance(CCP_b, CCP))

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for CCP_b, norm in zip(self.CCP[:-1], self.norm, strict=True):
            h = norm(CCP_b(h))
        return self.CCP[-1](h)
