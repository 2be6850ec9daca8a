"""PNN: the NTK-parametrised networks of Hadamard products, with skip and without, whose limit kernels are known."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.models.options import Activation, Degree, PolynomialOptions, Product, Width, flag
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class PNNOptions(PolynomialOptions):
    """Degree and width, and how inputs and features are treated."""

    degree: Degree = 3
    width: Width = 1024
    activation: Activation = "relu"
    scale_inputs: Annotated[bool, flag("divide x by the root of the number of its features")] = False
    product: Product = "hadamard"


@register_model("pnn")
class PNN(nn.Module):
    r"""Product of N one-layer features in the NTK parametrisation, without biases.

        y_1 = s(W_1 x);   y_n = s(W_n x) * y_{n-1}, n = 2..N;   f = sqrt(2/m) v^T y_N;   W_n, v ~ N(0, 1)

    x: (batch, *input_shape), flattened; y_n: (batch, m), m the width; f: (batch, output_dim). With ReLU f(t x) =
    t^N f(x) for t > 0, and Var f = 2^(1-N) at |x| = 1: f is made for inputs of unit norm, which `scale_inputs` makes
    of inputs of unit mean square. With activation "none", f has degree N.

    Raises ValueError for what the options do not allow.
    Source: Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product" (arXiv 2209.07736).
    Ours differs: several outputs, any activation, and inputs of any norm by `scale_inputs`.
    """

    skip: ClassVar[bool] = False
    scaled_by_fan_in: ClassVar[tuple[str, ...]] = ("v.weight",)
    outside_branches: ClassVar[tuple[str, ...]] = ("W.0", "v")

    @takes(PNNOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: PNNOptions) -> None:
        super().__init__()
        inputs = math.prod(input_shape)
        self.input_scale = inputs**-0.5 if o.scale_inputs else 1.0
        self.output_scale = (2 / o.width) ** 0.5
        self.act, self.product = make_activation(o.activation), make_product(o.product)
        self.W = nn.ModuleList(nn.Linear(inputs, o.width, bias=False) for _ in range(o.degree))
        self.branch_scale = BranchScale(uses=o.degree - 1 if self.skip else 0)
        self.v = nn.Linear(o.width, output_dim, bias=False)
        for layer in (*self.W, self.v):
            nn.init.normal_(layer.weight)

    def degree_in_x(self) -> int:
        return len(self.W)

    def forward(self, x: Tensor) -> Tensor:
        x = self.input_scale * x.flatten(1)
        y = self.act(self.W[0](x))
        for W_n in self.W[1:]:
            y_n = self.product(self.act(W_n(x)), y)
            y = self.branch_scale(y_n) + y if self.skip else y_n
        return self.output_scale * self.v(y)


@register_model("pnn_skip")
class PNNSkip(PNN):
    r"""PNN with a skip: y_n = s(W_n x) * y_{n-1} + y_{n-1}, so that every degree up to N is there.

    With ReLU Var f = (3/2 + 2/sqrt(2 pi))^(N-1) = 2.298^(N-1) at |x| = 1. All else as in `PNN`: its f, its options,
    what it raises and its source.
    """

    skip: ClassVar[bool] = True
