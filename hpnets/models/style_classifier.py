"""Style classifier: StyleGAN2's modulated convolutions run forwards, the image's own style scaling their weights."""

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers.modulation import ImageStyles, StyleBlock
from hpnets.models.registry import register_model
from hpnets.validate import at_least, boolean, image_shape


@register_model("style_classifier")
class StyleClassifier(nn.Module):
    r"""Convolutional classifier whose weights each image scales by its own style.

        w = mapping(image on a 4x4 grid);   x_0 = conv image
        x_l = s(W''(A_l w) conv x_{l-1} + b_l);   f = V pool(x_L) + c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). W'' is `ModulatedConv2d`'s, 3x3;
    block l has width * 2^min(l, 3) channels and is followed by 2x2 averaging as long as 4x4 remain after it. The
    mapping network has mapping_depth layers of style_width. `fused` changes how it is computed, not what.
    Ours differs from the generator: it reads the style from the image, its resampling is 2x2 averaging, no noise.
    With product="sum", the additive twin, the style is added to x, where it would have scaled it.

    Raises ValueError for inputs that are no images of 8x8 or more, an integer < 1, an unknown activation or product,
    or a demodulate or fused that is no bool.
    Source: the layers of Karras et al. 2020 (StyleGAN2, arXiv 1912.04958).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        depth: int = 3,
        width: int = 16,
        style_width: int = 32,
        mapping_depth: int = 2,
        demodulate: bool = True,
        fused: bool = False,
        activation: str = "relu",
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape(input_shape, minimum=8)
        at_least("depth", depth, 1), at_least("width", width, 1), boolean("demodulate", demodulate)
        self.mapping = ImageStyles(channels, style_width, mapping_depth)
        self.stem = nn.Conv2d(channels, width, 3, 1, 1)
        sizes = [width * 2 ** min(l, 3) for l in range(depth + 1)]
        options = (style_width, demodulate, boolean("fused", fused), activation, product)
        self.layers = nn.ModuleList(StyleBlock(a, b, 3, *options) for a, b in itertools.pairwise(sizes))
        side = min(height, columns)
        self.halvings = [side // 2 ** (l + 1) >= 4 for l in range(depth)]
        self.least_side = max(8, 2 ** sum(self.halvings))
        self.V = nn.Linear(sizes[-1], output_dim)

    def forward(self, x: Tensor) -> Tensor:
        w = self.mapping(x)
        x = self.stem(x)
        for layer, halve in zip(self.layers, self.halvings, strict=True):
            x = layer(x, w)
            x = F.avg_pool2d(x, 2) if halve else x
        return self.V(x.mean((2, 3)))
