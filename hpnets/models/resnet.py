"""ResNet-18, with BatchNorm or GroupNorm, with or without activation, for small images or as for ImageNet."""

from functools import partial

from hpnets.models.backbone import BasicBlock, ResidualNet, stages_of
from hpnets.models.registry import register_model


@register_model("resnet18")
class ResNet18(ResidualNet):
    r"""ResNet-18, by default with a 3x3 stem that keeps the resolution and no max-pooling.

        h = s(BN conv x);   h = s(BN conv s BN conv h + shortcut(h)), in each block;   f = V pool(h) + c

    x: (batch, channels, height, width); f: (batch, output_dim); shortcut: the identity, or BN conv1x1 where the shape
    changes. Each of the stages of `blocks` blocks, (2, 2, 2, 2) by default, has twice the channels of the one before,
    `width` being the first one's. Stem "small" takes images of 8x8 and more; "imagenet", the paper's 7x7 convolution
    of stride 2 and 3x3 max-pooling of stride 2, 32x32 and more. Names of parameters are torchvision's, whose weights
    load with stem "imagenet" (blocks [3, 4, 6, 3]: ResNet-34). With activation "none", norm "batch" in eval mode and
    stem "small" it is affine; with "group", or the maximum, it is not.

    Raises ValueError for inputs that are no images of that size, width < 1, blocks that are no list of integers >= 1,
    an unknown stem, norm or activation.
    Source: He et al. 2016 (arXiv 1512.03385), the stem "small" as in its CIFAR networks.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        width: int = 64,
        blocks: list[int] | None = None,
        stem: str = "small",
        norm: str = "batch",
        activation: str = "relu",
    ) -> None:
        block = partial(BasicBlock, norm=norm, activation=activation)
        super().__init__(input_shape, output_dim, block, width, stages_of(blocks, (2, 2, 2, 2)), norm, activation, stem)
