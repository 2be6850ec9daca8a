"""ResNet-18, with BatchNorm or GroupNorm, with or without activation, for small images or as for ImageNet."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from hpnets.models.backbone import FIRST, BasicBlock, ResidualNet, Stem
from hpnets.models.options import Activation, Norm2d, count, counts
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class ResNet18Options(OptionSet):
    """The stages of ResNet-18, and its blocks."""

    width: Annotated[int, count(FIRST)] = 64
    blocks: Annotated[list[int] | None, counts("blocks of each stage; null is [2, 2, 2, 2]")] = None
    stem: Stem = "small"
    norm: Norm2d = "batch"
    activation: Activation = "relu"


@register_model("resnet18")
class ResNet18(ResidualNet):
    r"""ResNet-18, by default with a 3x3 stem that keeps the resolution and no max-pooling.

        h = s(BN conv x);   h = s(BN conv s BN conv h + shortcut(h)), in each block;   f = V pool(h) + c

    x: (batch, channels, height, width); f: (batch, output_dim); shortcut: the identity, or BN conv1x1 where the shape
    changes. Stem "small" takes images of 8x8 and more; "imagenet", the paper's, 32x32 and more. Names of parameters
    are torchvision's, whose weights load with stem "imagenet" (blocks [3, 4, 6, 3]: ResNet-34). With activation
    "none", norm "batch" in eval mode and stem "small" it is affine; with "group", or the maximum, it is not.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: He et al. 2016 (arXiv 1512.03385), the stem "small" as in its CIFAR networks.
    """

    @takes(ResNet18Options)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: ResNet18Options) -> None:
        block, blocks = partial(BasicBlock, norm=o.norm, activation=o.activation), o.blocks or (2, 2, 2, 2)
        super().__init__(input_shape, output_dim, block, o.width, blocks, o.norm, o.activation, o.stem)
