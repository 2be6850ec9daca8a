"""R-PolyNet and D-PolyNet: regularised and densely connected polynomial residual networks."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from hpnets.layers import make_product, norm2d
from hpnets.models.backbone import BasicBlock, ResidualNet, ResidualOptions
from hpnets.models.options import Activation, Gate, Product
from hpnets.models.registry import register_model
from hpnets.option_sets import takes


@dataclass(frozen=True)
class RPolyNetOptions(ResidualOptions):
    """Residual options, the gates and the product."""

    activation: Activation = "none"
    alpha0: Gate = 1.0
    product: Product = "hadamard"


class RPolyBlock(BasicBlock):
    r"""y = s(o + sc(x) + alpha BN(conv1x1(q))), q = o * norm(sc x)."""

    degree = 2

    def __init__(self, inputs: int, channels: int, stride: int, o: RPolyNetOptions) -> None:
        super().__init__(inputs, channels, stride, o.norm, o.activation)
        self.norm, self.product = norm2d(o.norm, channels), make_product(o.product)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = norm2d(o.norm, channels)
        self.alpha = nn.Parameter(torch.full((1,), float(o.alpha0)))

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's sum before its activation, and its second-degree term q."""
        o, sc = self.branch(x), self.downsample(x)
        q = self.product(o, self.norm(sc))
        end = self.branch_scale
        return end(o) + sc + end(self.alpha * self.bn(self.mix(q))), q

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.terms(x)[0])


class DPolyBlock(RPolyBlock):
    r"""R-PolyNet's sum plus theta t, t = q * norm(conv(p)), p the previous block's t."""

    degree = 3

    def __init__(self, inputs: int, channels: int, stride: int, o: RPolyNetOptions) -> None:
        super().__init__(inputs, channels, stride, o)
        self.dense = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), norm2d(o.norm, channels))
        self.theta = nn.Parameter(torch.full((1,), float(o.alpha0)))

    def step(self, x: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """y and t."""
        y, q = self.terms(x)
        t = self.product(q, self.dense(p))
        return self.act(y + self.branch_scale(self.theta * t)), t


@register_model("rpolynet")
class RPolyNet(ResidualNet):
    r"""Polynomial residual network with normalised second-degree terms.

        y = s(o + sc(x) + alpha BN(conv1x1(o * norm(sc x)))),   o = BN conv s BN conv x

    x: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); sc the shortcut; alpha a scalar a block,
    alpha0 at the start: 0 gives the residual net exactly. norm and BN are the same option; with "batch" in eval mode
    and activation "none" a block has degree 2. Ours differs: no DropBlock; alpha starts at 1, so that every parameter
    has a gradient, and BN's weights at the end of o and after conv1x1 at L^(-1/2), L blocks, without which size "18"
    explodes in eval mode before the first step.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Chrysos et al. 2023, "Regularization of polynomial networks for image recognition" (arXiv 2303.13896).
    """

    Block: ClassVar[type[RPolyBlock]] = RPolyBlock

    @takes(RPolyNetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: RPolyNetOptions) -> None:
        block = partial(self.Block, o=o)
        super().__init__(input_shape, output_dim, block, *o.stages(), o.norm, o.activation, o.stem)
        self.share_variance("bn2", "bn")


@register_model("dpolynet")
class DPolyNet(RPolyNet):
    r"""R-PolyNet whose blocks also multiply with the second-degree terms of all blocks before them.

        y_n = s(o + sc(x) + alpha BN(conv1x1(q_n)) + theta t_n),   q_n = o * norm(sc x),
        t_n = q_n * norm(conv(t_{n-1})),   t_0 = stem(input)

    Shapes, options and sizes are R-PolyNet's; alpha and theta, a scalar each a block, both start at alpha0; alpha =
    theta = 0 is the residual net, theta = 0 is R-PolyNet. With norm "batch" in eval mode and activation "none" y_n and
    t_n have degree 3^n. Ours differs: the product of the previous terms is the recursion t_n, with a (strided) 1x1
    convolution a block, since stages differ in shape, and starts with the stem.

    Raises ValueError as R-PolyNet does.
    Source: Chrysos et al. 2023, "Regularization of polynomial networks for image recognition" (arXiv 2303.13896).
    """

    Block = DPolyBlock

    def forward(self, x: Tensor) -> Tensor:
        t = x = self.stem(x)
        for block in self.blocks():
            assert isinstance(block, DPolyBlock)
            x, t = block.step(x, t)
        return self.read_out(x)
