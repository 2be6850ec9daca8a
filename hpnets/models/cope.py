"""CoPE: the polynomial network of two inputs."""

import math

from torch import Tensor, nn

from hpnets.layers import at_least, make_activation, make_product
from hpnets.models.registry import register_model


@register_model("cope")
class CoPE(nn.Module):
    r"""Polynomial of joint degree N in an input z and a condition c, one Hadamard product a layer.

        x_1 = U_1 z + V_1 c;   x_n = s(U_n z + V_n c) * x_{n-1} + x_{n-1}, n = 2..N;   f = C x_N + b

    One tensor (batch, *input_shape) carries both: flattened, its last `condition` features are c and those before are
    z, so for images (channels, height, width) condition = height * width makes c the last channel. x_n: (batch, width);
    f: (batch, output_dim). s is the activation: with "none" the degree in (z, c) is N exactly; c = 0 gives CCP in z.
    U_n, V_n ~ N(0, 1/features), features those of z and c together. With product="sum", the additive twin, + takes
    the place of *.

    Raises ValueError for degree < 1, width < 1, a condition outside 1..features - 1, an unknown activation or product.
    Source: Chrysos et al. 2021, "Conditional Generation Using Polynomial Expansions" (arXiv 2104.05077).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        degree: int = 4,
        width: int = 256,
        condition: int = 1,
        activation: str = "none",
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        at_least("degree", degree, 1), at_least("width", width, 1)
        features = math.prod(input_shape)
        if at_least("condition", condition, 1) >= features:
            raise ValueError(f"condition is {condition}; allowed: fewer than the {features} features of the input")
        self.sizes = [features - condition, condition]
        self.act, self.product = make_activation(activation), make_product(product)
        self.U = nn.ModuleList(nn.Linear(features - condition, width, bias=False) for _ in range(degree))
        self.V = nn.ModuleList(nn.Linear(condition, width, bias=False) for _ in range(degree))
        self.C = nn.Linear(width, output_dim)
        for layer in (*self.U, *self.V):
            nn.init.normal_(layer.weight, std=features**-0.5)
        nn.init.normal_(self.C.weight, std=width**-0.5)
        nn.init.zeros_(self.C.bias)

    def forward(self, x: Tensor) -> Tensor:
        z, c = x.flatten(1).split(self.sizes, dim=1)
        x_n = self.U[0](z) + self.V[0](c)
        for U_n, V_n in zip(self.U[1:], self.V[1:], strict=True):
            x_n = self.product(self.act(U_n(z) + V_n(c)), x_n) + x_n
        return self.C(x_n)
