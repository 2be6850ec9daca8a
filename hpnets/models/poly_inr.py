"""Poly-INR: an image as a polynomial of its coordinates, one degree a level."""

import math

import torch
from torch import Tensor, nn

from hpnets.layers import make_product
from hpnets.models.registry import register_model
from hpnets.validate import at_least, one_of, positive

_SLOPE = 0.2


@register_model("poly_inr")
class PolyINR(nn.Module):
    r"""Coordinate network that multiplies by an affine map of the coordinates at each level.

        x_0 = 1;   x_n = clamp(s(F_n(x_{n-1} * s(A_n g)))), n = 1..N;   f = C x_N + c

    g: (batch, *input_shape), flattened to coordinates in R^d; x_n: (batch, width); f: (batch, output_dim); N is
    `levels`; A_n and F_n are affine, s is LeakyReLU of slope 0.2 and clamp(x) = min(max(x, -clamp), clamp). With
    activation "none" and values within the clamp, f has degree N in g exactly. A_n, F_n ~ N(0, gain/fan_in) with He's
    gain. In the paper the A_n are given by a mapping network, for many images; here they are parameters, for one.
    With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for levels < 1, width < 1, an activation other than "leaky_relu" and "none", a clamp that is no
    number > 0 or an unknown product.
    Source: Singh et al. 2023, "Polynomial Implicit Neural Representations For Large Diverse Datasets" (arXiv
    2303.11424).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        levels: int = 4,
        width: int = 128,
        activation: str = "leaky_relu",
        clamp: float = 256.0,
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        at_least("levels", levels, 1), at_least("width", width, 1)
        self.clamp, self.product = positive("clamp", clamp), make_product(product)
        rectified = one_of("activation", activation, ("leaky_relu", "none")) == "leaky_relu"
        self.act = nn.LeakyReLU(_SLOPE) if rectified else nn.Identity()
        self.A = nn.ModuleList(nn.Linear(math.prod(input_shape), width) for _ in range(levels))
        self.F = nn.ModuleList(nn.Linear(width, width) for _ in range(levels))
        self.C = nn.Linear(width, output_dim)
        for layer in (*self.A, *self.F):
            gain = 2 / (1 + _SLOPE**2) if rectified else 1.0
            nn.init.normal_(layer.weight, std=(gain / layer.in_features) ** 0.5)

    def degree_in_x(self) -> int:
        return len(self.A)

    def forward(self, g: Tensor) -> Tensor:
        g = g.flatten(1)
        x = torch.ones_like(g[:, :1]).expand(-1, self.C.in_features)
        for A_n, F_n in zip(self.A, self.F, strict=True):
            x = self.act(F_n(self.product(x, self.act(A_n(g))))).clamp(-self.clamp, self.clamp)
        return self.C(x)
