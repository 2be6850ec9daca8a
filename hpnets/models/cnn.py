"""CNN: the plain convolutional baseline, without shortcut or product."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers import make_activation, norm2d
from hpnets.models.options import Activation, Depth, Norm2d, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes
from hpnets.validate import image_shape


@dataclass(frozen=True)
class CNNOptions(OptionSet):
    """The layers."""

    depth: Depth = 4
    width: Annotated[int, count("channels of the first layer")] = 16
    norm: Norm2d = "batch"
    activation: Activation = "relu"


@register_model("cnn")
class CNN(nn.Module):
    r"""Plain chain of 3x3 convolutions.

        h_0 = x;   h_l = s(norm(W_l conv h_{l-1})), l = 1..depth;   f = V pool(h_depth) + c

    x: (batch, channels, height, width), 8x8 and more; h_l has width * 2^k channels after k halvings of the resolution,
    by stride 2 in each second layer, as long as 4x4 remain; f: (batch, output_dim). W_l ~ N(0, 2/fan_in), no bias
    where a norm follows.
    With activation "none" and norm "batch" in eval mode it is affine.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    """

    least_side = 8

    @takes(CNNOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: CNNOptions) -> None:
        super().__init__()
        inputs, height, columns = image_shape(input_shape, self.least_side)
        side, outputs = min(height, columns), o.width
        layers: list[nn.Module] = []
        for l in range(1, o.depth + 1):
            halve = l % 2 == 0 and side >= 8
            if halve:
                outputs, side = 2 * outputs, (side + 1) // 2
            conv = nn.Conv2d(inputs, outputs, 3, 2 if halve else 1, 1, bias=o.norm == "none")
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers += [nn.Sequential(conv, norm2d(o.norm, outputs), make_activation(o.activation))]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.V = nn.Linear(outputs, output_dim)

    def degree_in_x(self) -> int:
        return 1

    def forward(self, x: Tensor) -> Tensor:
        return self.V(self.layers(x).mean((2, 3)))
