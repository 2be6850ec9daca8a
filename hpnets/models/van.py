"""VAN: a convolutional network whose features are multiplied by a large-kernel map of themselves."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.layers.patches import LayerNorm2d
from hpnets.models.options import choice
from hpnets.models.pyramid import GatedPyramidOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape

# size: width, blocks and MLP ratio of each stage, stride of the stem
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = {
    "mini": ((16, 32), (1, 1), (4, 4), 2),
    "b0": ((32, 64, 160, 256), (3, 3, 5, 2), (8, 8, 4, 4), 4),
    "b1": ((64, 128, 320, 512), (2, 2, 4, 2), (8, 8, 4, 4), 4),
    "b2": ((64, 128, 320, 512), (3, 3, 12, 3), (8, 8, 4, 4), 4),
    "b3": ((64, 128, 320, 512), (3, 5, 27, 3), (8, 8, 4, 4), 4),
}


@dataclass(frozen=True)
class VANOptions(GatedPyramidOptions):
    """The paper's sizes and a small one."""

    size: Annotated[str, choice("mini: 16 and 32 wide, a block each; the others are the paper's", SIZES)] = "mini"


class LKA(nn.Module):
    r"""u * conv1x1(dwd(dw u)): dw depthwise 5x5, dwd depthwise 7x7 dilated by 3, together a field of 23x23.

    u: (batch, channels, H, W), as is the output, which has degree 2 in u.
    """

    def __init__(self, channels: int, product: str = "hadamard") -> None:
        super().__init__()
        self.dw = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.dwd = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.conv1x1, self.product = nn.Conv2d(channels, channels, 1), make_product(product)

    def forward(self, u: Tensor) -> Tensor:
        return self.product(u, self.conv1x1(self.dwd(self.dw(u))))


class VANBlock(nn.Module):
    r"""x + a * A(BN x), then x + b * M(BN x).

        A(h) = h + P_2 LKA(s(P_1 h));   M(h) = M_2 s(dw M_1 h)

    P_i, M_i: 1x1; dw: depthwise 3x3; a, b: a scale a channel, 0.01 at the start.
    """

    def __init__(self, channels: int, ratio: int, activation: str, product: str = "hadamard") -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.P_1, self.P_2 = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.lka = LKA(channels, product)
        hidden = ratio * channels
        self.M_1, self.M_2 = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
        self.dw = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.act, self.branch_scale = make_activation(activation), BranchScale(uses=2)
        self.a, self.b = (nn.Parameter(torch.full((channels, 1, 1), 0.01)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.branch_scale(self.a * (h + self.P_2(self.lka(self.act(self.P_1(h))))))
        return x + self.branch_scale(self.b * self.M_2(self.act(self.dw(self.M_1(self.norm2(x))))))


@register_model("van")
class VAN(nn.Module):
    r"""Visual attention network: stages of large-kernel attention.

        x = x + a * (h + P_2 (u * LKA(u))),   u = s(P_1 h),   h = BN x,   LKA(u) = conv1x1(dwd(dw u))
        x = x + b * M_2 s(dw M_1 BN x), in each block;   f = C mean(LN x) + c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). Each stage starts with a strided
    convolution and BN (7x7 with stride 4 in the paper's sizes, 3x3 with stride 2 in "mini" and after it) and ends with
    LN. LKA has degree 2; LN keeps the net from being a polynomial. Weights start as N(0, 2 / fan_out); the strided
    convolutions' biases, which BN makes idle, are there as in the paper's counts. Ours differs: no dropout, no
    stochastic depth. The additive twin has u + LKA(u); a and b, which are weights and no features, still scale.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: Guo et al. 2022, "Visual Attention Network" (arXiv 2202.09741).
    """

    least_side = 8

    @takes(VANOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: VANOptions) -> None:
        super().__init__()
        inputs, _, _ = image_shape(input_shape, self.least_side)
        own, depths, ratios, stride = SIZES[o.size]
        stages = []
        for outputs, n, ratio in zip(o.widths(own), o.depths(depths), ratios, strict=True):
            kernel = 7 if stride == 4 else 3
            embed = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.BatchNorm2d(outputs)]
            blocks = [VANBlock(outputs, ratio, o.activation, o.product) for _ in range(n)]
            stages.append(nn.Sequential(*embed, *blocks, LayerNorm2d(outputs)))
            inputs, stride = outputs, 2
        self.stages = nn.Sequential(*stages)
        self.C = nn.Linear(inputs, output_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] ** 2 * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.stages(x).mean((2, 3)))
