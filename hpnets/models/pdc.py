"""PDC: a residual network with a gated second-degree branch in each block."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from hpnets.layers import make_product, norm2d
from hpnets.models.backbone import BasicBlock, ResidualNet, ResidualOptions
from hpnets.models.options import Gate, Product
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class PDCOptions(ResidualOptions):
    """Residual options, the gate and the product."""

    alpha0: Gate = 0.0
    product: Product = "hadamard"


class PDCBlock(BasicBlock):
    r"""y = s(o + shortcut(x) + alpha * (u_1 * u_2)), u_i = BN(conv1x1 x), strided as the branch o is."""

    degree = 2

    def __init__(self, inputs: int, channels: int, stride: int, o: PDCOptions) -> None:
        super().__init__(inputs, channels, stride, o.norm, o.activation)
        self.u = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), norm2d(o.norm, channels))
            for _ in range(2)
        )
        self.product = make_product(o.product)
        self.alpha = nn.Parameter(torch.full((1,), float(o.alpha0)))

    def forward(self, x: Tensor) -> Tensor:
        u_1, u_2 = self.u[0](x), self.u[1](x)
        end = self.branch_scale
        return self.act(end(self.branch(x)) + self.downsample(x) + end(self.alpha * self.product(u_1, u_2)))


@register_model("pdc")
class PDC(ResidualNet):
    r"""Residual network whose blocks add a product of two linear maps, behind a gate that starts closed.

        y = s(o + shortcut(x) + alpha (u_1 * u_2)),   o = BN conv s BN conv x,   u_i = BN(conv1x1 x)

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); alpha: a scalar a block, alpha0 at the
    start. With alpha = 0, the default, it is the residual net exactly, and u_1, u_2 have no gradient until alpha has
    moved. With activation "none" and norm "batch" in eval mode a block has degree 2.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Chrysos et al. 2021, "Augmenting Deep Classifiers with Polynomial Neural Networks" (arXiv 2104.07916).
    Ours differs: u_1 and u_2 are 1x1 convolutions, which add a ninth to the block's weights.
    """

    @takes(PDCOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: PDCOptions) -> None:
        block = partial(PDCBlock, o=o)
        super().__init__(input_shape, output_dim, block, *o.stages(), o.norm, o.activation, o.stem)
