"""MambaOut: a network of gated convolutional blocks, Mamba without its state space."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.models.options import choice
from hpnets.models.pyramid import GatedPyramidOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape

# size: width and blocks of each stage, stride of each of the stem's two convolutions
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "mini": ((16, 32), (1, 1), 1),
    "femto": ((48, 96, 192, 288), (3, 3, 9, 3), 2),
    "kobe": ((48, 96, 192, 288), (3, 3, 15, 3), 2),
    "tiny": ((96, 192, 384, 576), (3, 3, 9, 3), 2),
    "small": ((96, 192, 384, 576), (3, 4, 27, 3), 2),
    "base": ((128, 256, 512, 768), (3, 4, 27, 3), 2),
}


@dataclass(frozen=True)
class MambaOutOptions(GatedPyramidOptions):
    """The paper's sizes and a small one."""

    size: Annotated[str, choice("mini: 16 and 32 wide, a block each; the others are the paper's", SIZES)] = "mini"


class Down(nn.Module):
    """A 3x3 convolution and LN of (batch, H, W, inputs): channels last, as everywhere in this family."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, stride, 1)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class GatedBlock(nn.Module):
    r"""x + W_2 (s(g) * [i, dw c]), (g, i, c) = W_1 LN x, dw: depthwise 7x7 on as many channels as x has.

    x: (batch, H, W, channels), as is the output; g has 8/3 as many channels, c as many as x, i as many as g less c.
    """

    def __init__(self, channels: int, activation: str, product: str = "hadamard") -> None:
        super().__init__()
        hidden = int(8 / 3 * channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.W_1 = nn.Linear(channels, 2 * hidden)
        self.sizes = (hidden, hidden - channels, channels)
        self.dw = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.W_2 = nn.Linear(hidden, channels)
        self.act, self.product = make_activation(activation), make_product(product)
        self.branch_scale = BranchScale()

    def forward(self, x: Tensor) -> Tensor:
        g, i, c = self.W_1(self.norm(x)).split(self.sizes, dim=3)
        c = self.dw(c.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.branch_scale(self.W_2(self.product(self.act(g), torch.cat([i, c], 3))))


@register_model("mambaout")
class MambaOut(nn.Module):
    r"""Stages of gated convolutional blocks.

        x = x + W_2 (s(g) * [i, dw c]),   (g, i, c) = W_1 LN x;   f = V LN s(W LN pool x) + b

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); W_1's g has 8/3 as many channels as
    x, c as many, i the rest of 8/3. The stem keeps the resolution with size "mini" and quarters it else.
    LN and the activation keep the net from being a polynomial. Ours differs: no stochastic depth.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: Yu and Wang 2024, "MambaOut: Do We Really Need Mamba for Vision?" (arXiv 2405.07992).
    """

    least_side = 8

    @takes(MambaOutOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: MambaOutOptions) -> None:
        super().__init__()
        inputs, _, _ = image_shape(input_shape, self.least_side)
        own, depths, stride = SIZES[o.size]
        widths = o.widths(own)
        half = max(widths[0] // 2, 1)
        self.stem = nn.Sequential(
            Down(inputs, half, stride), make_activation(o.activation), Down(half, widths[0], stride)
        )
        stages = []
        for i, n in enumerate(o.depths(depths)):
            down = [Down(widths[i - 1], widths[i], 2)] if i else []
            stages.append(nn.Sequential(*down, *(GatedBlock(widths[i], o.activation, o.product) for _ in range(n))))
        self.stages = nn.Sequential(*stages)
        last = widths[-1]
        self.norm = nn.LayerNorm(last, eps=1e-6)
        self.W = nn.Linear(last, 4 * last)
        self.act = make_activation(o.activation)
        self.norm_out = nn.LayerNorm(4 * last, eps=1e-6)
        self.V = nn.Linear(4 * last, output_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x.permute(0, 2, 3, 1)))
        return self.V(self.norm_out(self.act(self.W(self.norm(x.mean((1, 2)))))))
