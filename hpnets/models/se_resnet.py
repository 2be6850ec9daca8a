"""SE-ResNet: a residual network whose branches are gated by squeeze-excitation."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import Tensor

from hpnets.layers.gates import SqueezeExcitation
from hpnets.models.backbone import BasicBlock, ResidualNet, StageOptions
from hpnets.models.options import Activation, Norm2d, Product, count
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class SEOptions(StageOptions):
    """Stages of blocks with gates."""

    reduction: Annotated[int, count("channels of a gate for each of its hidden ones, 16 in the paper")] = 4
    norm: Norm2d = "batch"
    activation: Activation = "relu"
    product: Product = "hadamard"


class SEBlock(BasicBlock):
    r"""y = s(SE(o) + shortcut(x))."""

    degree = None

    def __init__(self, inputs: int, channels: int, stride: int, o: SEOptions) -> None:
        super().__init__(inputs, channels, stride, o.norm, o.activation)
        self.se = SqueezeExcitation(channels, max(channels // o.reduction, 1), o.product)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.branch_scale(self.se(self.branch(x))) + self.downsample(x))


@register_model("se_resnet")
class SEResNet(ResidualNet):
    r"""Residual net with one gate a channel on each branch.

        y = s(o * sigmoid(W_2 relu(W_1 pool o)) + shortcut(x)),   o = BN conv s BN conv x

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); W_1 has channels / reduction rows. A
    sigmoid gate is no polynomial, whatever the activation. The additive twin is o + sigmoid(...) + shortcut(x).

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks" (arXiv 1709.01507).
    """

    @takes(SEOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: SEOptions) -> None:
        super().__init__(input_shape, output_dim, partial(SEBlock, o=o), *o.stages(), o.norm, o.activation, o.stem)
