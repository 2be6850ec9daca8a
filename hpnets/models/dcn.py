"""DCN: cross layers that multiply the input with maps of themselves, beside or before a deep network, for tables."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import make_activation, make_product
from hpnets.models.options import Activation, Product, choice, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes
from hpnets.validate import require

VERSIONS, STRUCTURES = ("v1", "v2"), ("stacked", "parallel")


@dataclass(frozen=True)
class DCNOptions(OptionSet):
    """The cross layers, and the deep network that follows them or stands beside them."""

    degree: Annotated[int, count("degree N of the cross part in x: N - 1 layers")] = 4
    version: Annotated[str, choice("v1: a number x^T w times x; v2: a vector W x times x", VERSIONS)] = "v2"
    rank: Annotated[int | None, count("rank of v2's matrices, W = U V; null is the full one")] = None
    structure: Annotated[str, choice("the deep part takes the cross part's output, or x itself", STRUCTURES)] = (
        "stacked"
    )
    depth: Annotated[int, count("hidden layers of the deep part; 0 for the cross part alone", minimum=0)] = 2
    width: Annotated[int, count("units of a hidden layer of the deep part")] = 64
    activation: Activation = "relu"
    product: Product = "hadamard"


def drawn(inputs: int, outputs: int, bias: bool, gain: float = 1.0) -> nn.Linear:
    """A linear layer, W ~ N(0, gain / inputs), its bias 0."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=(gain / inputs) ** 0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Cross(nn.Module):
    r"""x * (W x_l + b) + x_l, W = U V if `rank` is given: one cross layer of DCN v2.

    x, x_l: (batch, D), as is the output; U: (D, rank).
    """

    def __init__(self, features: int, rank: int | None, product: str) -> None:
        super().__init__()
        self.V = None if rank is None else drawn(features, rank, bias=False)
        self.W = drawn(features if rank is None else rank, features, bias=True)
        self.product = make_product(product)

    def forward(self, x: Tensor, x_l: Tensor) -> Tensor:
        h = x_l if self.V is None else self.V(x_l)
        return self.product(x, self.W(h)) + x_l


class CrossV1(nn.Module):
    r"""x (w^T x_l) + b + x_l: one cross layer of DCN v1; x, x_l: (batch, D), as is the output."""

    def __init__(self, features: int, product: str) -> None:
        super().__init__()
        self.w, self.b = drawn(features, 1, bias=False), nn.Parameter(torch.zeros(features))
        self.product = make_product(product)

    def forward(self, x: Tensor, x_l: Tensor) -> Tensor:
        return self.product(x, self.w(x_l).expand_as(x)) + self.b + x_l


@register_model("dcn")
class DCN(nn.Module):
    r"""Deep and cross network of a vector of features.

        v2: x_{l+1} = x * (W_l x_l + b_l) + x_l,   v1: x_{l+1} = x (w_l^T x_l) + b_l + x_l,   x_1 = x, l = 1..N-1
        stacked: f = C h(x_N) + c,   parallel: f = C [x_N, h(x)] + c,   h(u): h = s(A_k h + a_k), k = 1..depth

    x: (batch, *input_shape), flattened to D features; x_l: (batch, D); h: (batch, width); f: (batch, output_dim).
    With `rank` W_l = U_l V_l, U_l: (D, rank). x_N has degree N in x, and so has f where depth is 0 or s is "none". v2
    is `ncp_skip` with A_n = I and b_1 = 1, but for b_l, which starts at 0. Weights ~ N(0, 1/fan_in), A_k twice that
    with ReLU. The additive twin has x + W_l x_l + b_l + x_l.

    Raises ValueError for a rank with v1, and for what the options do not allow.
    Source: Wang et al. 2017, "Deep & Cross Network" (arXiv 1708.05123), and Wang et al. 2021, "DCN V2" (arXiv
    2008.13535), eq. 1 and 2. Ours differs: features are given as numbers (one-hot), without embeddings; no mixture of
    low-rank experts; norms and dropout are left out.
    """

    @takes(DCNOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: DCNOptions) -> None:
        super().__init__()
        require(o.rank is None or o.version == "v2", "rank", o.rank, "null with version v1")
        features, v1 = math.prod(input_shape), o.version == "v1"
        self.degree, self.parallel = o.degree, o.structure == "parallel"
        self.cross = nn.ModuleList(
            CrossV1(features, o.product) if v1 else Cross(features, o.rank, o.product) for _ in range(o.degree - 1)
        )
        gain, sizes = 2.0 if o.activation == "relu" else 1.0, [features] + [o.width] * o.depth
        self.A = nn.ModuleList(drawn(m, n, bias=True, gain=gain) for m, n in itertools.pairwise(sizes))
        self.act = make_activation(o.activation) if o.depth else nn.Identity()
        beside = features if self.parallel and o.depth else 0
        self.C = drawn(sizes[-1] + beside, output_dim, bias=True)

    def degree_in_x(self) -> int:
        return self.degree

    def deep(self, u: Tensor) -> Tensor:
        """h(u), which is u where depth is 0."""
        for A_k in self.A:
            u = self.act(A_k(u))
        return u

    def forward(self, x: Tensor) -> Tensor:
        x = x_l = x.flatten(1)
        for layer in self.cross:
            x_l = layer(x, x_l)
        if self.parallel and len(self.A):
            return self.C(torch.cat([x_l, self.deep(x)], 1))
        return self.C(self.deep(x_l))
