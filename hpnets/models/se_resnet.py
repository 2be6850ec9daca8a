"""SE-ResNet: a residual network whose branches are gated by squeeze-excitation."""

from functools import partial

from torch import Tensor

from hpnets.layers.gates import SqueezeExcitation
from hpnets.models.backbone import BasicBlock, ResidualNet, size_of
from hpnets.models.registry import register_model
from hpnets.validate import at_least


class SEBlock(BasicBlock):
    r"""y = s(SE(o) + shortcut(x))."""

    degree = None

    def __init__(
        self, inputs: int, channels: int, stride: int, norm: str, activation: str, reduction: int, product: str
    ) -> None:
        super().__init__(inputs, channels, stride, norm, activation)
        self.se = SqueezeExcitation(channels, max(channels // reduction, 1), product)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.se(self.branch(x)) + self.downsample(x))


@register_model("se_resnet")
class SEResNet(ResidualNet):
    r"""Residual net with one gate a channel on each branch.

        y = s(o * sigmoid(W_2 relu(W_1 pool o)) + shortcut(x)),   o = BN conv s BN conv x

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); W_1 has channels / reduction rows. Sizes:
    "mini" (3 stages of a block, 16 wide) and "18" (4 of two, 64 wide: SE-ResNet-18, the paper's reduction being 16);
    `blocks` replaces the size's blocks a stage. Stem "small" is a 3x3 convolution, "imagenet" the paper's 7x7 one of
    stride 2 and max-pooling, for 32x32 and more. A sigmoid gate is no polynomial, whatever the activation.
    With product="sum", the additive twin, o + sigmoid(...) takes the place of o * sigmoid(...).

    Raises ValueError for inputs that are no images of that size, an unknown size, stem, norm, activation or product,
    width or reduction < 1, or blocks that are no list of integers >= 1.
    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks" (arXiv 1709.01507).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        size: str = "mini",
        width: int | None = None,
        blocks: list[int] | None = None,
        stem: str = "small",
        reduction: int = 4,
        norm: str = "batch",
        activation: str = "relu",
        product: str = "hadamard",
    ) -> None:
        at_least("reduction", reduction, 1)
        block = partial(SEBlock, norm=norm, activation=activation, reduction=reduction, product=product)
        super().__init__(input_shape, output_dim, block, *size_of(size, width, blocks), norm, activation, stem)
