"""StarNet: a convolutional network whose only mixing beside depthwise convolutions is the product of two maps."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.models.options import Activation, Product, choice, count
from hpnets.models.pyramid import Doubling, PyramidOptions
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape

# size: width of the first stage, blocks of each stage, channels and stride of the stem
SIZES: dict[str, tuple[int, tuple[int, ...], int, int]] = {
    "mini": (12, (1, 1, 2), 12, 1),
    "s1": (24, (2, 2, 8, 3), 32, 2),
    "s2": (32, (1, 2, 6, 2), 32, 2),
    "s3": (32, (2, 2, 8, 4), 32, 2),
    "s4": (32, (3, 3, 12, 5), 32, 2),
}


@dataclass(frozen=True)
class StarNetOptions(PyramidOptions):
    """The stages, and what a block multiplies."""

    size: Annotated[str, choice("mini: 12 wide, 1 + 1 + 2 blocks; the others are the paper's", SIZES)] = "mini"
    width: Doubling = None
    ratio: Annotated[int, count("channels that a block multiplies, for each one that it takes")] = 4
    activation: Activation = "relu6"
    product: Product = "hadamard"


def conv_bn(inputs: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and BN after it, which makes its bias idle (no gradient in train mode); the paper counts it."""
    conv = nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class StarBlock(nn.Module):
    r"""x + dw g(act(f_1 h) * f_2 h), h = BN dw x; dw: depthwise 7x7; f_1, f_2, g: 1x1; of degree 2 without act."""

    def __init__(self, channels: int, ratio: int, activation: str, product: str = "hadamard") -> None:
        super().__init__()
        self.dwconv = conv_bn(channels, channels, 7, groups=channels)
        self.f_1 = nn.Conv2d(channels, ratio * channels, 1)
        self.f_2 = nn.Conv2d(channels, ratio * channels, 1)
        self.g = conv_bn(ratio * channels, channels, 1)
        self.dwconv2 = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.act, self.product = make_activation(activation), make_product(product)
        self.branch_scale = BranchScale()

    def forward(self, x: Tensor) -> Tensor:
        h = self.dwconv(x)
        return x + self.branch_scale(self.dwconv2(self.g(self.product(self.act(self.f_1(h)), self.f_2(h)))))


@register_model("starnet")
class StarNet(nn.Module):
    r"""Stages of star blocks, the resolution halved before each.

        x = x + dw g(act(f_1 h) * f_2 h),   h = BN dw x;   f = C pool(BN x) + c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); stage i has width * 2^i channels,
    f_1 and f_2 `ratio` times as many. The stem keeps the resolution with size "mini" and halves it else. With
    activation "none" in eval mode a block has degree 2. Weights start as N(0, 0.02^2). Ours differs: no stochastic
    depth.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: Ma et al. 2024, "Rewrite the Stars" (arXiv 2403.19967).
    """

    least_side = 8

    @takes(StarNetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: StarNetOptions) -> None:
        super().__init__()
        channels, _, _ = image_shape(input_shape, self.least_side)
        own, depths, inputs, stride = SIZES[o.size]
        self.stem = nn.Sequential(conv_bn(channels, inputs, 3, stride), make_activation(o.activation))
        stages = []
        for i, n in enumerate(o.depths(depths)):
            outputs = (o.width or own) * 2**i
            blocks = (StarBlock(outputs, o.ratio, o.activation, o.product) for _ in range(n))
            stages.append(nn.Sequential(conv_bn(inputs, outputs, 3, 2), *blocks))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(inputs)
        self.C = nn.Linear(inputs, output_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.get_parameter("bias"))

    def degree_in_x(self) -> int:
        return 2 ** sum(isinstance(module, StarBlock) for module in self.modules())

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.norm(self.stages(self.stem(x))).mean((2, 3)))
