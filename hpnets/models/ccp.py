"""CCP: the coupled-CP polynomial network of Pi-nets."""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product, norm1d
from hpnets.models.options import PolynomialOptions, RecursionOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class CCPOptions(RecursionOptions, PolynomialOptions):  # the last base's fields come first
    """Degree and width, then the recursion's options."""


@register_model("ccp")
class CCP(nn.Module):
    r"""Polynomial of degree N in x by one Hadamard product a layer.

        y_1 = U_1 x;   y_n = norm(s(U_n x) * y_{n-1}) [+ y_{n-1}], n = 2..N;   f = C y_N + b

    x: (batch, *input_shape), flattened; y_n: (batch, width); f: (batch, output_dim). s is the activation: with "none",
    f has degree N in x exactly; with ReLU only along rays from the origin, since U_n has no bias. The bracket is there
    with `skip`; without it and without s all terms of f have degree N. The norm acts on the product before the skip;
    "batch" in eval mode keeps the degree, "layer" breaks it. With `shared` U_n = U for n >= 2.
    U_n, C ~ N(0, 1/fan_in), so that the variance of y_n grows as 2^(n-1) for x of unit mean square.

    Raises ValueError for what the options do not allow.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026), model 1 (CCP). Ours differs by
    the draw of the weights, which sets that variance, and by s and norm, options beside the paper's recursion.
    """

    outside_branches: ClassVar[tuple[str, ...]] = ("U.0", "C")

    @takes(CCPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: CCPOptions) -> None:
        super().__init__()
        self.degree, self.skip, self.shared = o.degree, o.skip, o.shared
        inputs, factors = math.prod(input_shape), min(o.degree, 2) if o.shared else o.degree
        self.U = nn.ModuleList(nn.Linear(inputs, o.width, bias=False) for _ in range(factors))
        self.norm = nn.ModuleList(norm1d(o.norm, o.width) for _ in range(o.degree - 1))
        self.act, self.product = make_activation(o.activation), make_product(o.product)
        self.branch_scale = BranchScale(uses=o.degree - 1 if o.skip and not o.shared else 0)
        self.C = nn.Linear(o.width, output_dim)
        for layer in (*self.U, self.C):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(self.C.bias)

    def degree_in_x(self) -> int:
        return self.degree

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        y = self.U[0](x)
        factors = itertools.cycle(self.act(U_n(x)) for U_n in self.U[1:])  # computed once each
        for norm, factor in zip(self.norm, factors, strict=False):
            product = norm(self.product(factor, y))
            y = self.branch_scale(product) + y if self.skip else product
        return self.C(y)
