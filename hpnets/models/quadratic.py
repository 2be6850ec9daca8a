"""Networks of quadratic neurons."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import make_activation, make_product, norm1d
from hpnets.models.options import Activation, Depth, Norm1d, Product, Width, choice
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes

# form: which of W_1, W_2, W_3 it has
FORMS = {"full": (1, 2, 3), "product": (1, 2), "squared": (1, 3), "residual": (1, 2), "powers": (1, 2, 3)}


@dataclass(frozen=True)
class QuadraticOptions(OptionSet):
    """The layers, and the neuron."""

    depth: Depth = 2
    width: Width = 128
    activation: Activation = "none"
    norm: Norm1d = "batch"
    form: Annotated[str, choice("form of the neuron: which terms it adds", FORMS)] = "full"
    product: Product = "hadamard"


class QuadraticLayer(nn.Module):
    r"""A quadratic neuron of the named form, u_i = norm(W_i h), with biases where there is no norm.

        full: u_1 * u_2 + u_3;   product: u_1 * u_2;   squared: u_1 * u_1 + u_3;   residual: u_1 * u_2 + u_1;
        powers: u_1 * u_2 + norm(W_3 (h * h))

    h: (batch, inputs); output: (batch, outputs). W_i ~ N(0, 1/fan_in).
    """

    def __init__(self, inputs: int, outputs: int, norm: str, form: str, product: str) -> None:
        super().__init__()
        self.form, self.product = form, make_product(product)
        layers = {i: nn.Linear(inputs, outputs, bias=norm == "none") for i in FORMS[form]}
        for i, layer in layers.items():
            self.add_module(f"W_{i}", layer)
        for i, layer in layers.items():
            self.add_module(f"norm_{i}", norm1d(norm, outputs))
            nn.init.normal_(layer.weight, std=inputs**-0.5)

    def u(self, i: int, h: Tensor) -> Tensor:
        """norm(W_i h)."""
        return self.get_submodule(f"norm_{i}")(self.get_submodule(f"W_{i}")(h))

    def forward(self, h: Tensor) -> Tensor:
        first = self.u(1, h)
        quadratic = self.product(first, first if self.form == "squared" else self.u(2, h))
        if self.form == "product":
            return quadratic
        if self.form == "residual":
            return quadratic + first
        return quadratic + self.u(3, self.product(h, h) if self.form == "powers" else h)


@register_model("quadratic")
class Quadratic(nn.Module):
    r"""Fully connected network of `depth` layers of quadratic neurons.

        h_0 = x;   h_l = s(norm(W_1 h_{l-1}) * norm(W_2 h_{l-1}) + norm(W_3 h_{l-1})), l = 1..depth;   f = C h_depth + b

    Other forms of the neuron, u_i = norm(W_i h): "product" u_1 * u_2, "squared" u_1 * u_1 + u_3, "residual"
    u_1 * u_2 + u_1 (QRes), "powers" u_1 * u_2 + norm(W_3 (h * h)).

    x: (batch, *input_shape), flattened; h_l: (batch, width); f: (batch, output_dim). With activation "none" and norm
    "none", or "batch" in eval mode, f has degree 2^depth in x exactly; "layer" is no polynomial.

    Raises ValueError for what the options do not allow.
    Source: Xu et al. 2022, "QuadraLib: A Performant Quadratic Neural Network Library" (MLSys), the neuron with three
    weights; one norm for each term is ours. "residual": Bu and Karpatne 2021 (arXiv 2101.08366); "powers": Fan et al.
    2018, "A New Type of Neurons for Machine Learning" (arXiv 1704.08362).
    """

    @takes(QuadraticOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: QuadraticOptions) -> None:
        super().__init__()
        sizes, neuron = [math.prod(input_shape)] + [o.width] * o.depth, (o.norm, o.form, o.product)
        self.layers = nn.ModuleList(QuadraticLayer(a, b, *neuron) for a, b in itertools.pairwise(sizes))
        self.act = make_activation(o.activation)
        self.C = nn.Linear(o.width, output_dim)

    def degree_in_x(self) -> int:
        return 2 ** len(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for layer in self.layers:
            h = self.act(layer(h))
        return self.C(h)
