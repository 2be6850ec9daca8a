"""Pi-net: a residual network whose blocks multiply the branch with the shortcut."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import make_product, norm2d
from hpnets.models.backbone import BasicBlock, ResidualNet, ResidualOptions
from hpnets.models.options import Activation, Product, flag
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class PiNetOptions(ResidualOptions):
    """Residual options, and what is done to the product."""

    activation: Activation = "none"
    conv1x1: Annotated[bool, flag("mix the product's channels before its norm")] = False
    product: Product = "hadamard"


class PiBlock(BasicBlock):
    r"""y = s(o + id + BN(o * id)), id the shortcut of x; with conv1x1, BN(conv1x1(o * id))."""

    degree = 2

    def __init__(self, inputs: int, channels: int, stride: int, o: PiNetOptions) -> None:
        super().__init__(inputs, channels, stride, o.norm, o.activation)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False) if o.conv1x1 else nn.Identity()
        self.bn, self.product = norm2d(o.norm, channels), make_product(o.product)

    def forward(self, x: Tensor) -> Tensor:
        o, identity, end = self.branch(x), self.downsample(x), self.branch_scale
        return self.act(end(o) + identity + end(self.bn(self.mix(self.product(o, identity)))))


@register_model("pinet")
class PiNet(ResidualNet):
    r"""Polynomial residual network: each block is of second degree.

        y = s(o + id + BN(o * id)),   o = BN conv s BN conv x,   id = shortcut(x)

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). With activation "none" and norm "batch"
    in eval mode a block has degree 2, and the net degree 2^blocks: 8 for size "mini", 256 for "18", the paper's. Ours
    differs by the stem, by default without max-pooling, which breaks the degree, and by the start: BN's weights at the
    end of o and after the product are L^(-1/2), L blocks, without which "18" explodes in eval mode before the first
    step.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026).
    """

    @takes(PiNetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: PiNetOptions) -> None:
        super().__init__(input_shape, output_dim, partial(PiBlock, o=o), *o.stages(), o.norm, o.activation, o.stem)
        self.share_variance("bn2", "bn")
