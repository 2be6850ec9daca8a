"""CoPE: the polynomial network of two inputs."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product, norm1d
from hpnets.models.options import PolynomialOptions, RecursionOptions, count
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class _Conditioned(PolynomialOptions):
    condition: Annotated[int, count("how many features, the last ones of the input, are the condition c")] = 1


@dataclass(frozen=True)
class CoPEOptions(RecursionOptions, _Conditioned):  # the last base's fields come first
    """Degree, width and condition, then the recursion's options."""


@register_model("cope")
class CoPE(nn.Module):
    r"""Polynomial of joint degree N in an input z and a condition c, one Hadamard product a layer.

        x_1 = U_1 z + V_1 c;   x_n = norm(s(U_n z + V_n c) * x_{n-1}) [+ x_{n-1}], n = 2..N;   f = C x_N + b

    One tensor (batch, *input_shape) carries both: flattened, its last `condition` features are c and those before are
    z, so for images (channels, height, width) condition = height * width makes c the last channel. x_n: (batch, width);
    f: (batch, output_dim). s is the activation: with "none" the degree in (z, c) is N exactly; c = 0 gives CCP in z.
    The bracket is there with `skip`. The norm acts on the product before the skip; "batch" in eval mode keeps the
    degree, "layer" breaks it. With `shared` U_n = U and V_n = V for n >= 2.
    U_n, V_n ~ N(0, 1/features), features those of z and c together.

    Raises ValueError for a condition outside 1..features - 1, and for what the options do not allow.
    Source: Chrysos et al. 2021, "Conditional Generation Using Polynomial Expansions" (arXiv 2104.05077). Ours differs:
    one tensor carries both inputs, and f is read as any output, where the paper generates images from noise and label.
    """

    outside_branches: ClassVar[tuple[str, ...]] = ("U.0", "V.0", "C")

    @takes(CoPEOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: CoPEOptions) -> None:
        super().__init__()
        features = math.prod(input_shape)
        if o.condition >= features:
            raise ValueError(f"condition is {o.condition}; allowed: fewer than the {features} features of the input")
        self.degree, self.skip, self.shared = o.degree, o.skip, o.shared
        self.sizes = [features - o.condition, o.condition]
        self.act, self.product = make_activation(o.activation), make_product(o.product)
        factors = min(o.degree, 2) if o.shared else o.degree
        self.U = nn.ModuleList(nn.Linear(features - o.condition, o.width, bias=False) for _ in range(factors))
        self.V = nn.ModuleList(nn.Linear(o.condition, o.width, bias=False) for _ in range(factors))
        self.norm = nn.ModuleList(norm1d(o.norm, o.width) for _ in range(o.degree - 1))
        self.branch_scale = BranchScale(uses=o.degree - 1 if o.skip and not o.shared else 0)
        self.C = nn.Linear(o.width, output_dim)
        for layer in (*self.U, *self.V):
            nn.init.normal_(layer.weight, std=features**-0.5)
        nn.init.normal_(self.C.weight, std=o.width**-0.5)
        nn.init.zeros_(self.C.bias)

    def degree_in_x(self) -> int:
        return self.degree

    def forward(self, x: Tensor) -> Tensor:
        z, c = x.flatten(1).split(self.sizes, dim=1)
        pairs = zip(self.U, self.V, strict=True)
        U_1, V_1 = next(pairs)
        x_n = U_1(z) + V_1(c)
        factors = itertools.cycle(self.act(U_n(z) + V_n(c)) for U_n, V_n in pairs)  # computed once each
        for norm, factor in zip(self.norm, factors, strict=False):
            product = norm(self.product(factor, x_n))
            x_n = self.branch_scale(product) + x_n if self.skip else product
        return self.C(x_n)
