"""CCP: the coupled-CP polynomial network of Pi-nets."""

import itertools
import math

from torch import Tensor, nn

from hpnets.layers import make_activation, make_product, norm1d
from hpnets.models.registry import register_model
from hpnets.validate import at_least, boolean


@register_model("ccp")
class CCP(nn.Module):
    r"""Polynomial of degree N in x by one Hadamard product a layer.

        y_1 = U_1 x;   y_n = norm(s(U_n x) * y_{n-1}) [+ y_{n-1}], n = 2..N;   f = C y_N + b

    x: (batch, *input_shape), flattened; y_n: (batch, width); f: (batch, output_dim). s is the activation: with "none",
    f has degree N in x exactly; with ReLU it has so only along rays from the origin (U_n carries no bias). The bracket
    is there if `skip`; without it and s there is no term but of degree N. The norm, on the product before the skip,
    keeps the degree if it is "batch" in eval mode; "layer" breaks it. With `shared` U_n = U for n >= 2.
    U_n, C ~ N(0, 1/fan_in), so that the variance of y_n grows as 2^(n-1) for x of unit mean square.

    With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for degree < 1, width < 1, an unknown activation, norm or product, or a skip or shared that is no
    bool.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026), model 1 (CCP). Ours differs by
    the draw of the weights, which sets that variance, and by s and norm, options beside the paper's recursion.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        degree: int = 4,
        width: int = 256,
        activation: str = "none",
        norm: str = "none",
        skip: bool = True,
        shared: bool = False,
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        self.degree = at_least("degree", degree, 1)
        self.skip, self.shared = boolean("skip", skip), boolean("shared", shared)
        inputs, factors = math.prod(input_shape), min(degree, 2) if shared else degree
        self.U = nn.ModuleList(nn.Linear(inputs, at_least("width", width, 1), bias=False) for _ in range(factors))
        self.norm = nn.ModuleList(norm1d(norm, width) for _ in range(degree))[1:]  # one degree checks it too
        self.act, self.product = make_activation(activation), make_product(product)
        self.C = nn.Linear(width, output_dim)
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
            y = product + y if self.skip else product
        return self.C(y)
