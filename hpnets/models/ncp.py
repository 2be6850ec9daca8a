"""NCP: the nested coupled-CP polynomial network of Pi-nets, with and without skip."""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product, norm1d
from hpnets.models.options import Activation, Norm1d, PolynomialOptions, Product, RecursionOptions, Shared, Skip
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class NCPOptions(RecursionOptions, PolynomialOptions):  # the last base's fields come first
    """Degree and width, then the recursion's options."""

    skip: Skip = False


@dataclass(frozen=True)
class NCPSkipOptions(PolynomialOptions):
    """The same without `skip`."""

    activation: Activation = "none"
    norm: Norm1d = "none"
    shared: Shared = False
    product: Product = "hadamard"


@register_model("ncp")
class NCP(nn.Module):
    r"""Polynomial of degree N in x whose layers mix the previous ones before they multiply.

        x_1 = s(A_1 x) * b_1;   x_n = norm(s(A_n x) * (S_n x_{n-1} + b_n)) [+ x_{n-1}], n = 2..N;   f = C x_N + c

    x: (batch, *input_shape), flattened; x_n: (batch, width); f: (batch, output_dim). The bracket is there with
    `skip` (NCP-Skip). With S_n = I, b_1 = 1 and b_n = 0 for n >= 2, x_N is the product of the A_n x, and with skip it
    is CCP. With s "none" the degree is N exactly. The norm acts on the product before the skip; "batch" in eval mode
    keeps the degree, "layer" breaks it. With `shared` A_n = A for all n, and S_n = S, b_n = b for n >= 2.
    A_n, S_n, C ~ N(0, 1/fan_in); b_n = 1, so that every degree up to N is there from the start.

    Raises ValueError for what the options do not allow.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026), model 2 (NCP). Ours differs: b_n
    is one learnt vector, where the paper writes it as a product B_n^T b_n.
    """

    outside_branches: ClassVar[tuple[str, ...]] = ("A.0", "b_1", "C")

    @takes(NCPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: NCPOptions) -> None:
        super().__init__()
        self.degree, self.skip, self.shared = o.degree, o.skip, o.shared
        inputs, factors = math.prod(input_shape), 1 if o.shared else o.degree
        self.act, self.product = make_activation(o.activation), make_product(o.product)
        self.A = nn.ModuleList(nn.Linear(inputs, o.width, bias=False) for _ in range(factors))
        self.b_1 = nn.Parameter(torch.ones(o.width))
        self.S = nn.ModuleList(nn.Linear(o.width, o.width) for _ in range(min(factors, o.degree - 1)))
        self.norm = nn.ModuleList(norm1d(o.norm, o.width) for _ in range(o.degree - 1))
        self.branch_scale = BranchScale(uses=o.degree - 1 if o.skip and not o.shared else 0)
        self.C = nn.Linear(o.width, output_dim)
        for layer in (*self.A, *self.S, self.C):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        for layer in self.S:
            nn.init.ones_(layer.get_parameter("bias"))
        nn.init.zeros_(self.C.bias)

    def degree_in_x(self) -> int:
        return self.degree

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        factors = itertools.cycle(self.act(A_n(x)) for A_n in self.A)  # computed once each
        y = self.product(next(factors), self.b_1.expand(x.shape[0], -1))
        for norm, factor, S_n in zip(self.norm, factors, itertools.cycle(self.S), strict=False):
            mixed = norm(self.product(factor, S_n(y)))
            y = self.branch_scale(mixed) + y if self.skip else mixed
        return self.C(y)


@register_model("ncp_skip")
class NCPSkip(NCP):
    r"""NCP with the skip: x_n = norm(s(A_n x) * (S_n x_{n-1} + b_n)) + x_{n-1}. All else, and errors, as in `NCP`."""

    @takes(NCPSkipOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: NCPSkipOptions) -> None:
        super().__init__(input_shape, output_dim, **vars(o), skip=True)
