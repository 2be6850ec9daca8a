"""The residual backbone that the image families of product blocks share: a stem, stages of blocks, a read-out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, norm2d
from hpnets.models.options import Activation, Norm2d, choice, count, counts
from hpnets.option_sets import OptionSet
from hpnets.validate import image_shape

MakeBlock = Callable[[int, int, int], nn.Module]
SIZES: dict[str, tuple[int, tuple[int, ...]]] = {"mini": (16, (1, 1, 1)), "18": (64, (2, 2, 2, 2))}
# stem: kernel and stride of its convolution, what follows it, the least height and width of an image
STEMS: dict[str, tuple[int, int, Callable[[], nn.Module], int]] = {
    "small": (3, 1, nn.Identity, 8),
    "imagenet": (7, 2, lambda: nn.MaxPool2d(3, 2, 1), 32),
}


Blocks = Annotated[list[int] | None, counts("blocks of each stage; null is the size's own")]
Stem = Annotated[
    str, choice("small, 3x3, or imagenet, 7x7 of stride 2 and max-pooling, for 32x32 and more and no polynomial", STEMS)
]
FIRST = "channels of the first stage; each next one has twice as many"


@dataclass(frozen=True)
class StageOptions(OptionSet):
    """The stages of a residual network, and its stem."""

    size: Annotated[str, choice("mini: 3 stages of a block, 16 wide; 18: 4 stages of two, 64 wide", SIZES)] = "mini"
    width: Annotated[int | None, count(f"{FIRST}; null is the size's own")] = None
    blocks: Blocks = None
    stem: Stem = "small"

    def stages(self) -> tuple[int, Sequence[int]]:
        """Width and blocks a stage: those of the size, or what is given instead."""
        width, blocks = SIZES[self.size]
        return self.width or width, self.blocks or blocks


@dataclass(frozen=True)
class ResidualOptions(StageOptions):
    """Stages of blocks that have norms."""

    norm: Norm2d = "batch"
    activation: Activation = "relu"


def smallest_image(stem: str) -> int:
    """The least height and width with that stem."""
    return STEMS[stem][-1]


class BasicBlock(nn.Module):
    r"""y = s(o + shortcut(x)), o = norm(conv s(norm(conv x))), 3x3 convolutions, the first of them strided.

    x: (batch, inputs, height, width); y: (batch, channels, height / stride, width / stride).
    """

    outside_branches: ClassVar[tuple[str, ...]] = ("downsample",)
    degree: ClassVar[int | None] = 1  # that of y in x with affine s and norms; None if y is no polynomial even then

    def __init__(self, inputs: int, channels: int, stride: int, norm: str, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = norm2d(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = norm2d(norm, channels)
        self.act = make_activation(activation)
        self.branch_scale = BranchScale()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), norm2d(norm, channels))

    def branch(self, x: Tensor) -> Tensor:
        """o, the residual branch."""
        return self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.branch_scale(self.branch(x)) + self.downsample(x))


class ResidualNet(nn.Module):
    """A stem, stages of `blocks[i]` blocks, global average pooling, a read-out.

    x: (batch, channels, height, width); f: (batch, output_dim). Stage i has width * 2^i channels and halves the
    resolution, the first one excepted. `make_block(inputs, channels, stride)` builds one block. Stem "small" is a 3x3
    convolution that keeps the resolution, for 8x8 and more; "imagenet" a 7x7 one of stride 2 and 3x3 max-pooling of
    stride 2, for 32x32 and more; its maximum is no polynomial. Names of parameters are torchvision's. Convolutions
    start as He's, N(0, 2 / fan_out).

    Raises ValueError for inputs that are no images of that size, an unknown norm or activation.
    """

    head_name: ClassVar[str] = "fc"

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        make_block: MakeBlock,
        width: int,
        blocks: Sequence[int],
        norm: str,
        activation: str,
        stem: str = "small",
    ) -> None:
        super().__init__()
        self.least_side = smallest_image(stem)
        channels, _, _ = image_shape(input_shape, self.least_side)
        kernel, stride, pool, _ = STEMS[stem]
        self.conv1 = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = norm2d(norm, width)
        self.act, self.maxpool = make_activation(activation), pool()
        self.stages = [f"layer{i + 1}" for i in range(len(blocks))]
        inputs = width
        for i, name in enumerate(self.stages):
            outputs, stride = width * 2**i, 1 if i == 0 else 2
            first = make_block(inputs, outputs, stride)
            self.add_module(name, nn.Sequential(first, *(make_block(outputs, outputs, 1) for _ in range(1, blocks[i]))))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, output_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def share_variance(self, *norms: str) -> None:
        r"""Set the weights of the named norms of each of the L blocks to L^(-1/2), as Stable ResNets start.

        Each block then adds a share 1/L of its input's variance, as L grows. Otherwise products of products explode
        in eval mode before the first step: BN's statistics are 0 and 1 there, so that it does not rescale them.
        Source: Hayou et al. 2021, "Stable ResNet" (arXiv 2010.12859).
        """
        shared = []
        for prefix, block in self.named_modules():
            for name in norms if isinstance(block, BasicBlock) else ():
                norm = block.get_submodule(name)
                if isinstance(norm, nn.BatchNorm2d | nn.GroupNorm):
                    nn.init.constant_(norm.weight, len(self.blocks()) ** -0.5)
                    shared.append(f"{prefix}.{name}.weight")
        self.drawn_by_depth = tuple(shared)  # read by `hpnets.layers.branches`

    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages, in order."""
        return [block for name in self.stages for block in self.get_submodule(name).children()]

    def degree_in_x(self) -> int | None:
        degrees = [block.degree for block in self.blocks() if isinstance(block, BasicBlock) and block.degree]
        return math.prod(degrees) if len(degrees) == len(self.blocks()) else None

    def stem(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, width, height, width), sides quartered by "imagenet"."""
        return self.maxpool(self.act(self.bn1(self.conv1(x))))

    def read_out(self, x: Tensor) -> Tensor:
        """The last stage's feature map to (batch, output_dim)."""
        return self.fc(self.avgpool(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks():
            x = block(x)
        return self.read_out(x)
