"""Gated linear units: networks of act(W h) * V h, by their gate's activation."""

import math
from typing import ClassVar

from torch import Tensor, nn

from hpnets.layers import make_activation, make_product
from hpnets.models.registry import register_model
from hpnets.validate import at_least, boolean


@register_model("bilinear")
class Bilinear(nn.Module):
    r"""Network of `depth` gated layers, here without an activation in the gate.

        h_0 = x;   h_l = act(W_l h_{l-1} + b_l) * (V_l h_{l-1} + c_l), l = 1..depth;   f = C h_depth + c

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). The bilinear one has degree
    2^depth in x exactly. W_l, V_l, C ~ N(0, 1/fan_in); biases 0, left out with bias=False.
    With depth 1 it is the feed-forward layer of transformers, without dropout; ours stacks the gated products alone
    where those have a linear layer after each. With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for depth < 1, width < 1, an unknown product or a bias that is no bool.
    Source: Shazeer 2020, "GLU Variants Improve Transformer" (arXiv 2002.05202).
    """

    activation: ClassVar[str] = "none"

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        depth: int = 1,
        width: int = 256,
        bias: bool = True,
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        at_least("depth", depth, 1), at_least("width", width, 1), boolean("bias", bias)
        sizes = [math.prod(input_shape)] + [width] * (depth - 1)
        self.act, self.product = make_activation(self.activation), make_product(product)
        self.W = nn.ModuleList(nn.Linear(inputs, width, bias=bias) for inputs in sizes)
        self.V = nn.ModuleList(nn.Linear(inputs, width, bias=bias) for inputs in sizes)
        self.C = nn.Linear(width, output_dim, bias=bias)
        for layer in (*self.W, *self.V, self.C):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            if bias:
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
