"""FocalNet: a network whose tokens are modulated by gated contexts of growing focus, instead of attending."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.layers.patches import LayerNorm2d
from hpnets.models.options import Activation, Product, choice, count
from hpnets.models.pyramid import Doubling, PyramidOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape

# size: width of the first stage, blocks of each stage, focal levels, patch
SIZES: dict[str, tuple[int, tuple[int, ...], int, int]] = {
    "mini": (16, (1, 1), 2, 2),
    "tiny_srf": (96, (2, 2, 6, 2), 2, 4),
    "tiny_lrf": (96, (2, 2, 6, 2), 3, 4),
    "small_srf": (96, (2, 2, 18, 2), 2, 4),
    "small_lrf": (96, (2, 2, 18, 2), 3, 4),
    "base_srf": (128, (2, 2, 18, 2), 2, 4),
    "base_lrf": (128, (2, 2, 18, 2), 3, 4),
}
MEANT = "mini: 16 wide, 1 + 1 blocks, 2x2 patches; the paper's with small (srf) or large (lrf) receptive fields"


@dataclass(frozen=True)
class FocalNetOptions(PyramidOptions):
    """The stages, and what a block modulates by."""

    size: Annotated[str, choice(MEANT, SIZES)] = "mini"
    width: Doubling = None
    levels: Annotated[int | None, count("focal levels L; null is the size's own, 3 for large fields and else 2")] = None
    activation: Activation = "gelu"
    product: Product = "hadamard"


class PadTo(nn.Module):
    """Zeros at the far edges of (batch, channels, H, W) until H and W are multiples of `step`."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, -x.shape[3] % self.step, 0, -x.shape[2] % self.step))


class FocalModulation(nn.Module):
    r"""O (q * h(sum_l g_l * z_l)), (q, z_0, g) = f x, z_l = s(dw z_{l-1}), l = 1..L, z_{L+1} = s(mean z_L).

    x: (batch, channels, H, W), as is the output; q, z_l: as x; g: L + 1 maps, one a level, the same for all channels;
    dw: depthwise, (2 l + 1) x (2 l + 1); f, h, O: 1x1.
    """

    def __init__(self, channels: int, levels: int, activation: str, product: str = "hadamard") -> None:
        super().__init__()
        self.sizes = (channels, channels, levels + 1)
        self.f = nn.Conv2d(channels, sum(self.sizes), 1)
        self.h = nn.Conv2d(channels, channels, 1)
        self.O = nn.Conv2d(channels, channels, 1)
        self.dw = nn.ModuleList(
            nn.Conv2d(channels, channels, 2 * l + 1, padding=l, groups=channels, bias=False)
            for l in range(1, levels + 1)
        )
        self.act, self.product = make_activation(activation), make_product(product)

    def forward(self, x: Tensor) -> Tensor:
        q, z, g = self.f(x).split(self.sizes, dim=1)
        gates = g.split(1, dim=1)
        contexts = []
        for dw_l, g_l in zip(self.dw, gates[:-1], strict=True):
            z = self.act(dw_l(z))
            contexts.append(self.product(g_l.expand_as(z), z))
        z = self.act(z.mean((2, 3), keepdim=True)).expand_as(x)
        contexts.append(self.product(gates[-1].expand_as(x), z))
        return self.O(self.product(q, self.h(sum(contexts))))


class FocalBlock(nn.Module):
    """x + modulation(LN x), then x + W_2 s(W_1 LN x), W_1 of 4 times as many channels."""

    def __init__(self, channels: int, levels: int, activation: str, product: str = "hadamard") -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(channels, 1e-5)
        self.modulation = FocalModulation(channels, levels, activation, product)
        self.norm2 = LayerNorm2d(channels, 1e-5)
        self.W_1, self.W_2 = nn.Conv2d(channels, 4 * channels, 1), nn.Conv2d(4 * channels, channels, 1)
        self.act, self.branch_scale = make_activation(activation), BranchScale(uses=2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.branch_scale(self.modulation(self.norm1(x)))
        return x + self.branch_scale(self.W_2(self.act(self.W_1(self.norm2(x)))))


@register_model("focalnet")
class FocalNet(nn.Module):
    r"""Pyramid of focal modulation blocks.

        y = O (q * h(sum_l g_l * z_l)),   (q, z_0, g) = f x,   z_l = s(dw_l z_{l-1}),   z_{L+1} = s(mean z_L)
        x = x + y(LN x), x = x + W_2 s(W_1 LN x), in each block;   f = C mean(LN x) + c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); stage i has width * 2^i channels
    and, after the first, starts with a 2x2 convolution of stride 2; a map that does not fit is padded at its far edges.
    LN keeps the net from being a polynomial. Ours differs: no drop path. The additive twin has + in its gates too.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: Yang et al. 2022, "Focal Modulation Networks" (arXiv 2203.11926).
    """

    least_side = 8

    @takes(FocalNetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: FocalNetOptions) -> None:
        super().__init__()
        inputs, _, _ = image_shape(input_shape, self.least_side)
        own, depths, levels, step = SIZES[o.size]
        stages = []
        for i, n in enumerate(o.depths(depths)):
            outputs = (o.width or own) * 2**i
            blocks = (FocalBlock(outputs, o.levels or levels, o.activation, o.product) for _ in range(n))
            embed = nn.Conv2d(inputs, outputs, step, step)
            stages.append(nn.Sequential(PadTo(step), embed, LayerNorm2d(outputs, 1e-5), *blocks))
            inputs, step = outputs, 2
        self.stages = nn.Sequential(*stages)
        self.norm = LayerNorm2d(inputs, 1e-5)
        self.C = nn.Linear(inputs, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.norm(self.stages(x)).mean((2, 3)))
