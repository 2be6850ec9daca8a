"""Gated linear units: networks of act(W h) * V h, by their gate's activation."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from hpnets.layers import make_activation, make_product
from hpnets.models.options import Bias, Product, Width, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class BilinearOptions(OptionSet):
    """The gated layers."""

    depth: Annotated[int, count("gated layers")] = 1
    width: Width = 256
    bias: Bias = True
    product: Product = "hadamard"


@register_model("bilinear")
class Bilinear(nn.Module):
    r"""Network of `depth` gated layers, here without an activation in the gate.

        h_0 = x;   h_l = act(W_l h_{l-1} + b_l) * (V_l h_{l-1} + c_l), l = 1..depth;   f = C h_depth + c

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). The bilinear one has degree
    2^depth in x exactly. W_l, V_l, C ~ N(0, 1/fan_in); biases 0.
    With depth 1 it is the feed-forward layer of transformers, without dropout; ours stacks the gated products alone
    where those have a linear layer after each.

    Raises ValueError for what the options do not allow.
    Source: Shazeer 2020, "GLU Variants Improve Transformer" (arXiv 2002.05202).
    """

    activation: ClassVar[str] = "none"

    @takes(BilinearOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: BilinearOptions) -> None:
        super().__init__()
        sizes = [math.prod(input_shape)] + [o.width] * (o.depth - 1)
        self.act, self.product = make_activation(self.activation), make_product(o.product)
        self.W = nn.ModuleList(nn.Linear(inputs, o.width, bias=o.bias) for inputs in sizes)
        self.V = nn.ModuleList(nn.Linear(inputs, o.width, bias=o.bias) for inputs in sizes)
        self.C = nn.Linear(o.width, output_dim, bias=o.bias)
        for layer in (*self.W, *self.V, self.C):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            if o.bias:
                nn.init.zeros_(layer.bias)

    def degree_in_x(self) -> int:
        return 2 ** len(self.W)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for W_l, V_l in zip(self.W, self.V, strict=True):
            h = self.product(self.act(W_l(h)), V_l(h))
        return self.C(h)


@register_model("glu")
class GLU(Bilinear):
    """Gated linear units: `Bilinear` with act = sigmoid. Source: Dauphin et al. 2017 (arXiv 1612.08083)."""

    activation: ClassVar[str] = "sigmoid"


@register_model("swiglu")
class SwiGLU(Bilinear):
    """SwiGLU: `Bilinear` with act = SiLU. Source: Shazeer 2020 (arXiv 2002.05202)."""

    activation: ClassVar[str] = "silu"
