"""Complex CCP: Hadamard products of complex features, as pairs of real ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hpnets.layers import (
    BranchScale,
    ComplexActivation,
    ComplexLinear,
    complex_features,
    complex_product,
    complex_size,
    make_product,
)
from hpnets.models.options import (
    ComplexActivationName,
    ComplexInput,
    PolynomialOptions,
    Product,
    Shared,
    Skip,
    Width,
)
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class ComplexCCPOptions(PolynomialOptions):
    """Degree and width, what a layer does, and what the input is."""

    width: Width = 128
    activation: ComplexActivationName = "none"
    complex_input: ComplexInput = False
    skip: Skip = True
    shared: Shared = False
    product: Product = "hadamard"


@register_model("complex_ccp")
class ComplexCCP(nn.Module):
    r"""Product of N complex features with a real output.

        y_1 = s(U_1 z);   y_n = s(U_n z) * y_{n-1} [+ y_{n-1}], n = 2..N;   f = Re(C y_N) + b;   U_n = A_n + i B_n

    z: x (batch, *input_shape), flattened: real numbers, or with `complex_input` the real parts in its first half and
    the imaginary ones in its second. y_n: a pair of (batch, width), multiplied as complex numbers; f: (batch,
    output_dim). s is an activation of complex numbers (hpnets.layers.ComplexActivation); with "none" C y_N
    is a polynomial of degree N in z, without the conjugate of z, so that f is pluriharmonic: |z_1|^2 cannot be learnt.
    The bracket is there with `skip`. With `shared` U_n = U for n >= 2.
    A_n, B_n ~ N(0, 1 / (2 inputs)); C's real and imaginary part ~ N(0, 1/width).

    Raises ValueError for a complex_input of an odd number of features, and for what the options do not allow.
    Source: ours; the recursion is that of `CCP`, but for s in the first layer too, as `PNN` has it, so that degree 1 is
    a `ComplexMLP` of one layer.
    """

    outside_branches: ClassVar[tuple[str, ...]] = ("U.0", "s.0", "C")

    @takes(ComplexCCPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: ComplexCCPOptions) -> None:
        super().__init__()
        self.degree, self.skip, self.shared, self.complex_input = o.degree, o.skip, o.shared, o.complex_input
        inputs, factors = complex_size(input_shape, o.complex_input), min(o.degree, 2) if o.shared else o.degree
        self.U = nn.ModuleList(ComplexLinear(inputs, o.width, bias=False) for _ in range(factors))
        self.s = nn.ModuleList(ComplexActivation(o.activation, o.width) for _ in range(factors))
        self.product = make_product(o.product)
        self.branch_scale = BranchScale(uses=o.degree - 1 if o.skip and not o.shared else 0)
        self.C = nn.Linear(2 * o.width, output_dim)
        nn.init.normal_(self.C.weight, std=o.width**-0.5)
        nn.init.zeros_(self.C.bias)

    def degree_in_x(self) -> int:
        return self.degree

    def forward(self, x: Tensor) -> Tensor:
        z = complex_features(x.flatten(1), self.complex_input)
        y, *others = (s(U_n(z)) for U_n, s in zip(self.U, self.s, strict=True))
        end = self.branch_scale
        for n in range(self.degree - 1):
            product = complex_product(self.product, others[0 if self.shared else n], y)
            y = (end(product[0]) + y[0], end(product[1]) + y[1]) if self.skip else product
        return self.C(torch.cat(y, dim=1))
