"""Pi-net: a residual network whose blocks multiply the branch with the shortcut."""

from functools import partial

from torch import Tensor, nn

from hpnets.layers import make_product, norm2d
from hpnets.models.backbone import BasicBlock, ResidualNet, size_of
from hpnets.models.registry import register_model
from hpnets.validate import boolean


class PiBlock(BasicBlock):
    r"""y = s(o + id + BN(o * id)), id the shortcut of x; with conv1x1, BN(conv1x1(o * id))."""

    degree = 2

    def __init__(
        self,
        inputs: int,
        channels: int,
        stride: int,
        norm: str,
        activation: str,
        conv1x1: bool,
        product: str = "hadamard",
    ) -> None:
        super().__init__(inputs, channels, stride, norm, activation)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False) if conv1x1 else nn.Identity()
        self.bn, self.product = norm2d(norm, channels), make_product(product)

    def forward(self, x: Tensor) -> Tensor:
        o, identity = self.branch(x), self.downsample(x)
        return self.act(o + identity + self.bn(self.mix(self.product(o, identity))))


@register_model("pinet")
class PiNet(ResidualNet):
    r"""Polynomial residual network: each block is of second degree.

        y = s(o + id + BN(o * id)),   o = BN conv s BN conv x,   id = shortcut(x)

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). With activation "none" and norm "batch"
    in eval mode a block has degree 2, and the net degree 2^blocks: 8 for size "mini" (3 stages of a block, 16 wide),
    256 for "18" (the paper's, 4 stages of two, 64 wide); `blocks` replaces the size's blocks a stage. `conv1x1` mixes
    the product's channels before its norm. With product="sum", the additive twin, + takes the place of *. Ours differs
    by the stem, by default 3x3 and no max-pooling, which breaks the degree: stem "imagenet" has it, for 32x32 and more;
    and by the start: BN's weights at the end of o and after the product are L^(-1/2), L blocks, without which "18"
    explodes in eval mode before the first step.

    Raises ValueError for inputs that are no images of that size, an unknown size, stem, norm, activation or product,
    width < 1, blocks that are no list of integers >= 1, or a conv1x1 that is no bool.
    Source: Chrysos et al. 2020, "Deep Polynomial Neural Networks" (arXiv 2006.13026).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        size: str = "mini",
        width: int | None = None,
        blocks: list[int] | None = None,
        stem: str = "small",
        norm: str = "batch",
        activation: str = "none",
        conv1x1: bool = False,
        product: str = "hadamard",
    ) -> None:
        boolean("conv1x1", conv1x1)
        block = partial(PiBlock, norm=norm, activation=activation, conv1x1=conv1x1, product=product)
        super().__init__(input_shape, output_dim, block, *size_of(size, width, blocks), norm, activation, stem)
        self.share_variance("bn2", "bn")
