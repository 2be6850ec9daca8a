"""gMLP: an all-MLP network whose tokens mix by a multiplicative spatial gate."""

from torch import Tensor, nn

from hpnets.layers import make_activation, make_product
from hpnets.layers.patches import Patches
from hpnets.models.registry import register_model
from hpnets.validate import at_least, one_of

# size: width, depth, patch
SIZES = {"mini": (32, 3, 4), "ti16": (128, 30, 16), "s16": (256, 30, 16), "b16": (512, 30, 16)}


class SpatialGate(nn.Module):
    r"""u * (W LN(v) + b) of z = (u, v): W mixes tokens, n x n, and starts near 0, b at 1, so that u passes.

    z: (batch, n, 2 channels); output: (batch, n, channels).
    """

    def __init__(self, channels: int, n: int, product: str = "hadamard") -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.W, self.product = nn.Linear(n, n), make_product(product)
        nn.init.normal_(self.W.weight, std=1e-6), nn.init.ones_(self.W.bias)

    def forward(self, z: Tensor) -> Tensor:
        u, v = z.chunk(2, dim=2)
        return self.product(u, self.W(self.norm(v).transpose(1, 2)).transpose(1, 2))


class Block(nn.Module):
    """x + V gate(s(U LN(x)))."""

    def __init__(self, width: int, n: int, activation: str, product: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.U = nn.Linear(width, 6 * width)
        self.act = make_activation(activation)
        self.gate = SpatialGate(3 * width, n, product)
        self.V = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.V(self.gate(self.act(self.U(self.norm(x)))))


@register_model("gmlp")
class GMLP(nn.Module):
    r"""MLP over patches with spatial gating units.

        x = patches(image);   `depth` times x = x + V (u * (W LN(v) + b)), (u, v) = s(U LN(x));   f = C mean(LN(x)) + c

    image: (batch, channels, height, width), 8x8 and more; x: (batch, n, width); U has 6 width rows, half of them u; W:
    (n, n), b: (n,), so that the network is of one image size; f: (batch, output_dim). Sizes: "mini" (32 wide, 3 blocks,
    4x4 patches) and the paper's "ti16", "s16", "b16" (128, 256, 512 wide, 30 blocks, 16x16 patches); width, depth and
    patch, where given, replace the size's. With product="sum", the additive twin, + takes the place of *.

    Raises ValueError for inputs that are no images of 8x8 and of a patch, an unknown size, activation or product,
    width, depth or patch < 1.
    Source: Liu et al. 2021, "Pay Attention to MLPs" (arXiv 2105.08050).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        size: str = "mini",
        width: int | None = None,
        depth: int | None = None,
        patch: int | None = None,
        activation: str = "gelu",
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        own = SIZES[one_of("size", size, SIZES)]
        width = own[0] if width is None else at_least("width", width, 1)
        depth = own[1] if depth is None else at_least("depth", depth, 1)
        self.patches = Patches(input_shape, width, own[2] if patch is None else patch)
        self.blocks = nn.Sequential(*(Block(width, self.patches.n, activation, product) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.C = nn.Linear(width, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.norm(self.blocks(self.patches(x))).mean(1))
