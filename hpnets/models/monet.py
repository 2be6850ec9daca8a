"""MONet: a network of multilinear operators over image patches, without activation."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_product
from hpnets.models.options import Gate, Product, choice, flag
from hpnets.models.pyramid import PyramidOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape

# size: width and blocks of each stage, patch, shrink
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int]] = {
    "mini": ((16, 32), (1, 1), 2, 2),
    "t": ((64, 128, 192, 192), (4, 8, 12, 10), 4, 8),
    "s": ((128, 192, 256, 384), (4, 6, 12, 14), 4, 8),
}


@dataclass(frozen=True)
class MONetOptions(PyramidOptions):
    """The stages, and what a Mu-layer does."""

    size: Annotated[str, choice("mini: 16 and 32 wide, a block each, 2x2 patches; t and s: 4 stages", SIZES)] = "mini"
    shift: Annotated[bool, flag("shift quarters of the channels by a position, in each block's first layer")] = True
    alpha0: Gate = 1.0
    product: Product = "hadamard"


def spatial_shift(x: Tensor) -> Tensor:
    """S: each quarter of the channels moved by one position, down, up, right and left; the edge keeps its values.

    x: (batch, H, W, channels), as is the output. The shift is out of place: in place, as other code has it, the second
    write reads what the first has written, and a row smears over the whole map.
    """
    down, up, right, left = x.tensor_split(4, dim=3)
    return torch.cat(
        [
            torch.cat([down[:, :1], down[:, :-1]], 1),
            torch.cat([up[:, 1:], up[:, -1:]], 1),
            torch.cat([right[:, :, :1], right[:, :, :-1]], 2),
            torch.cat([left[:, :, 1:], left[:, :, -1:]], 2),
        ],
        3,
    )


class MuLayer(nn.Module):
    r"""C (a + alpha a * b), a = LN(S U_1 x), b = LN(U_3 S U_2 x); S the spatial shift, or the identity if not `shift`.

    x: (batch, H, W, width), as is the output; a, b: m channels; U_2: l rows, l = m / shrink.
    """

    def __init__(self, width: int, m: int, shrink: int, shift: bool, alpha0: float, product: str = "hadamard") -> None:
        super().__init__()
        l = max(m // shrink, 1)
        self.U_1, self.U_2, self.U_3 = nn.Linear(width, m), nn.Linear(width, l), nn.Linear(l, m)
        self.norm_a, self.norm_b = nn.LayerNorm(m), nn.LayerNorm(m)
        self.C = nn.Linear(m, width)
        self.alpha = nn.Parameter(torch.full((1,), float(alpha0)))
        self.shift, self.product = shift, make_product(product)

    def S(self, x: Tensor) -> Tensor:
        """The shift, if this layer has one."""
        return spatial_shift(x) if self.shift else x

    def forward(self, x: Tensor) -> Tensor:
        a = self.norm_a(self.S(self.U_1(x)))
        b = self.norm_b(self.U_3(self.S(self.U_2(x))))
        return self.C(a + self.alpha * self.product(a, b))


class PolyBlock(nn.Module):
    """x + Mu(LN x) with the shift and m = width, then x + Mu(LN x) without it and m = 3 width."""

    def __init__(self, width: int, shrink: int, shift: bool, alpha0: float, product: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mu1 = MuLayer(width, width, shrink, shift, alpha0, product)
        self.mu2 = MuLayer(width, 3 * width, shrink, False, alpha0, product)
        self.branch_scale = BranchScale(uses=2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.branch_scale(self.mu1(self.norm1(x)))
        return x + self.branch_scale(self.mu2(self.norm2(x)))


class Embedding(nn.Module):
    """A step x step convolution of stride `step`, (batch, H, W, inputs) to (batch, H/step, W/step, channels)."""

    def __init__(self, inputs: int, channels: int, step: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, step, step)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@register_model("monet")
class MONet(nn.Module):
    r"""Pyramid of Poly-Blocks on patches.

        Mu(x) = C (a + alpha a * b),   a = LN(S U_1 x),   b = LN(U_3 S U_2 x)
        x = patches(image);   x = x + Mu(LN x), then without S, in each block;   f = V mean(LN x) + c

    image: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). Each stage after the first starts
    with a 2x2 convolution of stride 2 (1x1 where fewer than 2x2 positions are left). alpha: a scalar a Mu-layer,
    alpha0 at the start. There is no activation, but LN keeps the net from being a polynomial. Ours differs: "t" and "s"
    follow the paper's in widths and depths but not to the parameter, and count 10.0 and 32.0 million for 224x224 and
    1000 classes; embeddings are disjoint patches, not a pyramid at several levels.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: Cheng et al. 2024, "Multilinear Operator Networks" (arXiv 2401.17992).
    """

    @takes(MONetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: MONetOptions) -> None:
        super().__init__()
        inputs, height, columns = image_shape(input_shape, minimum=8)
        widths, depths, step, shrink = SIZES[o.size]
        side, least, stages = min(height, columns), 1, []
        for outputs, n in zip(o.widths(widths), o.depths(depths), strict=True):
            step = min(step, side)
            blocks = [PolyBlock(outputs, shrink, o.shift, o.alpha0, o.product) for _ in range(n)]
            stages.append(nn.Sequential(Embedding(inputs, outputs, step), *blocks))
            inputs, side, least, step = outputs, side // step, least * step, 2
        self.least_side = max(8, least)
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(inputs)
        self.V = nn.Linear(inputs, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(x.permute(0, 2, 3, 1))
        return self.V(self.norm(x).mean((1, 2)))
