"""Residual MLP: the additive baseline whose depth can grow."""

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation
from hpnets.models.options import Activation, Bias, Width, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class ResMLPOptions(OptionSet):
    """The blocks."""

    depth: Annotated[int, count("residual blocks L")] = 3
    width: Width = 256
    layers: Annotated[int, count("layers k of a block")] = 2
    activation: Activation = "relu"
    bias: Bias = True


class ResidualBlock(nn.Module):
    """h + W_k s(W_{k-1} s(.. W_1 s(h))), with biases if `bias`; h: (batch, width)."""

    def __init__(self, width: int, layers: int, activation: str, bias: bool) -> None:
        super().__init__()
        self.act = make_activation(activation)
        self.W = nn.ModuleList(nn.Linear(width, width, bias=bias) for _ in range(layers))
        self.branch_scale = BranchScale()

    def forward(self, h: Tensor) -> Tensor:
        y = h
        for W_i in self.W:
            y = W_i(self.act(y))
        return h + self.branch_scale(y)


@register_model("resmlp")
class ResMLP(nn.Module):
    r"""Fully connected network of `depth` residual blocks of `layers` layers each.

        h_0 = U x + b;   h_l = h_{l-1} + W_lk s(.. W_l2 s(W_l1 s(h_{l-1}))), l = 1..L;   f = V s(h_L) + c

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim); each W has a bias, which is left
    out here. U, V ~ N(0, 1/fan_in), W_li ~ N(0, 2/fan_in) for ReLU, else N(0, 1/fan_in); biases 0. Each block doubles
    the mean square of h_l at the start, 2^L in all, unless `parametrisation` is depth_mup, with branches times
    L^(-1/2), or completep, with 1 / L.

    Raises ValueError for what the options do not allow.
    Source: the residual networks of Noci et al. 2024, "Super Consistency of Neural Network Landscapes and Learning Rate
    Transfer" (arXiv 2402.17457), with k layers a block.
    """

    @takes(ResMLPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: ResMLPOptions) -> None:
        super().__init__()
        self.U = nn.Linear(math.prod(input_shape), o.width, bias=o.bias)
        self.blocks = nn.ModuleList(ResidualBlock(o.width, o.layers, o.activation, o.bias) for _ in range(o.depth))
        self.act = make_activation(o.activation)
        self.V = nn.Linear(o.width, output_dim, bias=o.bias)
        for layer in (m for m in self.modules() if isinstance(m, nn.Linear)):
            gain = 2.0 if o.activation == "relu" and layer not in (self.U, self.V) else 1.0
            nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)
            if o.bias:
                nn.init.zeros_(layer.bias)

    def degree_in_x(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        h = self.U(x.flatten(1))
        for block in self.blocks:
            h = block(h)
        return self.V(self.act(h))
