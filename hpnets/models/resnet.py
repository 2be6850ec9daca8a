"""ResNet-18 for small images, with BatchNorm or GroupNorm and with or without activation."""

from torch import Tensor, nn

from hpnets.layers import at_least, image_shape, make_activation, norm2d
from hpnets.models.registry import register_model


class BasicBlock(nn.Module):
    r"""y = s(norm(conv s(norm(conv x))) + shortcut(x)), 3x3 convolutions, the first of them strided."""

    def __init__(self, inputs: int, channels: int, stride: int, norm: str, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = norm2d(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = norm2d(norm, channels)
        self.act = make_activation(activation)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), norm2d(norm, channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        return self.act(y + self.downsample(x))


@register_model("resnet18")
class ResNet18(nn.Module):
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
        super().__init__()
        channels, _, _ = image_shape(input_shape, minimum=8)
        at_least("width", width, 1)
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = norm2d(norm, width)
        self.act = make_activation(activation)
        stages = []
        for i, inputs in enumerate([width, width, 2 * width, 4 * width]):
            outputs, stride = width * 2**i, 1 if i == 0 else 2
            first = BasicBlock(inputs, outputs, stride, norm, activation)
            stages.append(nn.Sequential(first, BasicBlock(outputs, outputs, 1, norm, activation)))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, output_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))
