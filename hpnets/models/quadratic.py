"""Networks of quadratic neurons."""

import itertools
import math

from torch import Tensor, nn

from hpnets.layers import at_least, make_activation, make_product, norm1d
from hpnets.models.registry import register_model


class QuadraticLayer(nn.Module):
    r"""norm(W_1 h) * norm(W_2 h) + norm(W_3 h), with biases where there is no norm; W_i ~ N(0, 1/fan_in)."""

    def __init__(self, inputs: int, outputs: int, norm: str, product: str) -> None:
        super().__init__()
        self.product = make_product(product)
        self.W_1, self.W_2, self.W_3 = (nn.Linear(inputs, outputs, bias=norm == "none") for _ in range(3))
        self.norm_1, self.norm_2, self.norm_3 = (norm1d(norm, outputs) for _ in range(3))
        for layer in (self.W_1, self.W_2, self.W_3):
            nn.init.normal_(layer.weight, std=inputs**-0.5)

    def forward(self, h: Tensor) -> Tensor:
        first, second = self.norm_1(self.W_1(h)), self.norm_2(self.W_2(h))
        return self.product(first, second) + self.norm_3(self.W_3(h))


@register_model("quadratic")
class Quadratic(nn.Module):
    r"""Fully connected network of `depth` layers of quadratic neurons.

        h_0 = x;   h_l = s(norm(W_1 h_{l-1}) * norm(W_2 h_{l-1}) + norm(W_3 h_{l-1})), l = 1..depth;   f = C h_depth + b

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). With activation "none" and norm
    "none", or "batch" in eval mode, f has degree 2^depth in x exactly; "layer" is no polynomial.
    With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for depth < 1, width < 1, an unknown activation, norm or product.
    Source: Xu et al. 2022, "QuadraLib: A Performant Quadratic Neural Network Library" (MLSys), the neuron with three
    weights; one norm for each term is ours.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        depth: int = 2,
        width: int = 128,
        activation: str = "none",
        norm: str = "batch",
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        at_least("depth", depth, 1), at_least("width", width, 1)
        sizes = [math.prod(input_shape)] + [width] * depth
        self.layers = nn.ModuleList(QuadraticLayer(a, b, norm, product) for a, b in itertools.pairwise(sizes))
        self.act = make_activation(activation)
        self.C = nn.Linear(width, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for layer in self.layers:
            h = self.act(layer(h))
        return self.C(h)
