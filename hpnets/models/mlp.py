"""MLP: the additive baseline beside the product networks."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import make_activation
from hpnets.models.options import Activation, Bias, Width, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class MLPOptions(OptionSet):
    """The hidden layers."""

    depth: Annotated[int, count("hidden layers; 0 is a linear map", minimum=0)] = 3
    width: Width = 256
    activation: Activation = "relu"
    bias: Bias = True


@register_model("mlp")
class MLP(nn.Module):
    r"""Fully connected network of `depth` hidden layers.

        h_0 = x;   h_l = s(W_l h_{l-1} + b_l), l = 1..depth;   f = V h_depth + c

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). W_l ~ N(0, 2/fan_in) for ReLU,
    else N(0, 1/fan_in); biases 0.

    Raises ValueError for what the options do not allow.
    """

    @takes(MLPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: MLPOptions) -> None:
        super().__init__()
        sizes = [math.prod(input_shape)] + [o.width] * o.depth
        self.act = make_activation(o.activation)
        self.W = nn.ModuleList(nn.Linear(a, b, bias=o.bias) for a, b in itertools.pairwise(sizes))
        self.V = nn.Linear(sizes[-1], output_dim, bias=o.bias)
        for layer in (*self.W, self.V):
            gain = 2.0 if o.activation == "relu" and layer is not self.V else 1.0
            nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)
            if o.bias:
                nn.init.zeros_(layer.bias)

    def degree_in_x(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for W_l in self.W:
            h = self.act(W_l(h))
        return self.V(h)
