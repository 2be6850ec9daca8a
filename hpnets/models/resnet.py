"""ResNet-18 for small images, with BatchNorm or GroupNorm and with or without activation."""

from functools import partial

from hpnets.models.backbone import BasicBlock, ResidualNet
from hpnets.models.registry import register_model


@register_model("resnet18")
class ResNet18(ResidualNet):
    """ResNet-18 with a 3x3 stem that keeps the resolution and no max-pooling, for images of 8x8 and more.

    x: (batch, channels, height, width); f: (batch, output_dim); width is the channels of the first stage, doubled at
    each of the next three. Names of parameters are torchvision's, so its weights load where the stem fits.
    With activation "none" and norm "batch" in eval mode it is affine; with "group" it is not.

    Raises ValueError for inputs that are no images of 8x8 or more, width < 1, an unknown norm or activation.
    Source: He et al. 2016 (arXiv 1512.03385), the stem as in its CIFAR networks.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        width: int = 64,
        norm: str = "batch",
        activation: str = "relu",
    ) -> None:
        block = partial(BasicBlock, norm=norm, activation=activation)
        super().__init__(input_shape, output_dim, block, width, (2, 2, 2, 2), norm, activation)
