"""gMLP: an all-MLP network whose tokens mix by a multiplicative spatial gate."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.layers.patches import Patches
from hpnets.models.options import Activation, Product, choice, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes

# size: width, depth, patch
SIZES = {"mini": (32, 3, 4), "ti16": (128, 30, 16), "s16": (256, 30, 16), "b16": (512, 30, 16)}
MEANT = "mini: 32 wide, 3 blocks, 4x4 patches; the others are the paper's, of 30 blocks and 16x16 patches"


@dataclass(frozen=True)
class GMLPOptions(OptionSet):
    """Size of the network and of its patches."""

    size: Annotated[str, choice(MEANT, SIZES)] = "mini"
    width: Annotated[int | None, count("channels of a token; null is the size's own")] = None
    depth: Annotated[int | None, count("blocks; null is the size's own")] = None
    patch: Annotated[int | None, count("height and width of a patch; null is the size's own")] = None
    activation: Activation = "gelu"
    product: Product = "hadamard"


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
        self.V, self.branch_scale = nn.Linear(3 * width, width), BranchScale()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch_scale(self.V(self.gate(self.act(self.U(self.norm(x))))))


@register_model("gmlp")
class GMLP(nn.Module):
    r"""MLP over patches with spatial gating units.

        x = patches(image);   `depth` times x = x + V (u * (W LN(v) + b)), (u, v) = s(U LN(x));   f = C mean(LN(x)) + c

    image: (batch, channels, height, width), 8x8 and more; x: (batch, n, width); U has 6 width rows, half of them u; W:
    (n, n), b: (n,), so that the network is of one image size; f: (batch, output_dim).

    Raises ValueError for inputs that are no images of 8x8 and of a patch, and for what the options do not allow.
    Source: Liu et al. 2021, "Pay Attention to MLPs" (arXiv 2105.08050).
    """

    @takes(GMLPOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: GMLPOptions) -> None:
        super().__init__()
        own_width, own_depth, own_patch = SIZES[o.size]
        width, depth = o.width or own_width, o.depth or own_depth
        self.patches = Patches(input_shape, width, o.patch or own_patch)
        self.blocks = nn.Sequential(*(Block(width, self.patches.n, o.activation, o.product) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.C = nn.Linear(width, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.norm(self.blocks(self.patches(x))).mean(1))
