"""Poly-INR: an image as a polynomial of its coordinates, one degree a level."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import make_product
from hpnets.models.options import Product, Width, above_0, choice, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes

_SLOPE = 0.2


@dataclass(frozen=True)
class PolyINROptions(OptionSet):
    """The levels, and how large they may get."""

    levels: Annotated[int, count("levels N, which is the degree")] = 4
    width: Width = 128
    activation: Annotated[str, choice("activation s; none for a polynomial", ("leaky_relu", "none"))] = "leaky_relu"
    clamp: Annotated[float, above_0("largest absolute value of a level")] = 256.0
    product: Product = "hadamard"


@register_model("poly_inr")
class PolyINR(nn.Module):
    r"""Coordinate network that multiplies by an affine map of the coordinates at each level.

        x_0 = 1;   x_n = clamp(s(F_n(x_{n-1} * s(A_n g)))), n = 1..N;   f = C x_N + c

    g: (batch, *input_shape), flattened to coordinates in R^d; x_n: (batch, width); f: (batch, output_dim); N is
    `levels`; A_n and F_n are affine, s is LeakyReLU of slope 0.2 and clamp(x) = min(max(x, -clamp), clamp). With
    activation "none" and values within the clamp, f has degree N in g exactly. A_n, F_n ~ N(0, gain/fan_in) with He's
    gain. In the paper the A_n are given by a mapping network, for many images; here they are parameters, for one.

    Raises ValueError for what the options do not allow.
    Source: Singh et al. 2023, "Polynomial Implicit Neural Representations For Large Diverse Datasets" (arXiv
    2303.11424).
    """

    @takes(PolyINROptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: PolyINROptions) -> None:
        super().__init__()
        self.clamp, self.product = o.clamp, make_product(o.product)
        rectified = o.activation == "leaky_relu"
        self.act = nn.LeakyReLU(_SLOPE) if rectified else nn.Identity()
        self.A = nn.ModuleList(nn.Linear(math.prod(input_shape), o.width) for _ in range(o.levels))
        self.F = nn.ModuleList(nn.Linear(o.width, o.width) for _ in range(o.levels))
        self.width, self.C = o.width, nn.Linear(o.width, output_dim)
        for layer in (*self.A, *self.F):
            gain = 2 / (1 + _SLOPE**2) if rectified else 1.0
            nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)

    def degree_in_x(self) -> int:
        return len(self.A)

    def forward(self, g: Tensor) -> Tensor:
        g = g.flatten(1)
        x = torch.ones_like(g[:, :1]).expand(-1, self.width)
        for A_n, F_n in zip(self.A, self.F, strict=True):
            x = self.act(F_n(self.product(x, self.act(A_n(g))))).clamp(-self.clamp, self.clamp)
        return self.C(x)
