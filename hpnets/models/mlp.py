"""MLP: the additive baseline beside the product networks."""

import itertools
import math

from torch import Tensor, nn

from hpnets.layers import make_activation
from hpnets.models.registry import register_model
from hpnets.validate import at_least, boolean


@register_model("mlp")
class MLP(nn.Module):
    r"""Fully connected network of `depth` hidden layers.

        h_0 = x;   h_l = s(W_l h_{l-1} + b_l), l = 1..depth;   f = V h_depth + c

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). W_l ~ N(0, 2/fan_in) for ReLU,
    else N(0, 1/fan_in); biases 0, left out with bias=False.

    Raises ValueError for depth < 0, width < 1, an unknown activation or a bias that is no bool.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        depth: int = 3,
        width: int = 256,
        activation: str = "relu",
        bias: bool = True,
    ) -> None:
        super().__init__()
        at_least("depth", depth, 0), at_least("width", width, 1), boolean("bias", bias)
        sizes = [math.prod(input_shape)] + [width] * depth
        self.act = make_activation(activation)
        self.W = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(sizes))
        self.V = nn.Linear(sizes[-1], output_dim, bias=bias)
        for layer in (*self.W, self.V):
            gain = 2.0 if activation == "relu" and layer is not self.V else 1.0
            nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)
            if bias:
                nn.init.zeros_(layer.bias)

    def degree_in_x(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for W_l in self.W:
            h = self.act(W_l(h))
        return self.V(h)
