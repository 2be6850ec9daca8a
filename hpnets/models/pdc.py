"""PDC: a residual network with a gated second-degree branch in each block."""

from functools import partial

import torch
from torch import Tensor, nn

from hpnets.layers import make_product, norm2d
from hpnets.models.backbone import BasicBlock, ResidualNet, size_of
from hpnets.models.registry import register_model
from hpnets.validate import finite


class PDCBlock(BasicBlock):
    r"""y = s(o + shortcut(x) + alpha * (u_1 * u_2)), u_i = BN(conv1x1 x), strided as the branch o is."""

    degree = 2

    def __init__(
        self,
        inputs: int,
        channels: int,
        stride: int,
        norm: str,
        activation: str,
        alpha0: float,
        product: str = "hadamard",
    ) -> None:
        super().__init__(inputs, channels, stride, norm, activation)
        self.u = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), norm2d(norm, channels)) for _ in range(2)
        )
        self.product = make_product(product)
        self.alpha = nn.Parameter(torch.full((1,), float(alpha0)))

    def forward(self, x: Tensor) -> Tensor:
        u_1, u_2 = self.u[0](x), self.u[1](x)
        return self.act(self.branch(x) + self.downsample(x) + self.alpha * self.product(u_1, u_2))


@register_model("pdc")
class PDC(ResidualNet):
    r"""Residual network whose blocks add a product of two linear maps, behind a gate that starts closed.

        y = s(o + shortcut(x) + alpha (u_1 * u_2)),   o = BN conv s BN conv x,   u_i = BN(conv1x1 x)

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); alpha: a scalar a block, alpha0 at the
    start. With alpha = 0, the default, it is the residual net exactly, and u_1, u_2 have no gradient until alpha has
    moved. With activation "none" and norm "batch" in eval mode a block has degree 2. Sizes: "mini" (3 stages of a
    block, 16 wide) and "18" (4 of two, 64 wide); `blocks` replaces the size's blocks a stage. Stem "imagenet", 7x7 of
    stride 2 and max-pooling, is for 32x32 and more, and breaks the degree. With product="sum", the additive twin, +
    takes the place of *.

    Raises ValueError for inputs that are no images of that size, an unknown size, stem, norm, activation or product,
    width < 1, blocks that are no list of integers >= 1, or an alpha0 that is not finite.
    Source: Chrysos et al. 2021, "Augmenting Deep Classifiers with Polynomial Neural Networks" (arXiv 2104.07916).
    Ours differs: u_1 and u_2 are 1x1 convolutions, which add a ninth to the block's weights.
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
        activation: str = "relu",
        alpha0: float = 0.0,
        product: str = "hadamard",
    ) -> None:
        finite("alpha0", alpha0)
        block = partial(PDCBlock, norm=norm, activation=activation, alpha0=alpha0, product=product)
        super().__init__(input_shape, output_dim, block, *size_of(size, width, blocks), norm, activation, stem)
