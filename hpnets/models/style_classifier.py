"""Style classifier: StyleGAN2's modulated convolutions run forwards, the image's own style scaling their weights."""

import itertools
from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers.modulation import ImageStyles, StyleBlock
from hpnets.models.conditional import MappingDepth, StyleWidth
from hpnets.models.options import Activation, Demodulate, Fused, Product, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes
from hpnets.validate import image_shape


@dataclass(frozen=True)
class StyleClassifierOptions(OptionSet):
    """The blocks, the mapping network, and the modulation."""

    depth: Annotated[int, count("blocks of the network")] = 3
    width: Annotated[int, count("channels before the first block; each of the first three doubles them")] = 16
    style_width: StyleWidth = 32
    mapping_depth: MappingDepth = 2
    demodulate: Demodulate = True
    fused: Fused = False
    activation: Activation = "relu"
    product: Product = "hadamard"


@register_model("style_classifier")
class StyleClassifier(nn.Module):
    r"""Convolutional classifier whose weights each image scales by its own style.

        w = mapping(image on a 4x4 grid);   x_0 = conv image
        x_l = s(W''(A_l w) conv x_{l-1} + b_l);   f = V pool(x_L) + c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). W'' is `ModulatedConv2d`'s, 3x3;
    block l has width * 2^min(l, 3) channels and is followed by 2x2 averaging as long as 4x4 remain after it.
    Ours differs from the generator: it reads the style from the image, its resampling is 2x2 averaging, no noise.
    In the additive twin the style is added to x, where it would have scaled it.

    Raises ValueError for inputs that are no images of 8x8 or more, and for what the options do not allow.
    Source: the layers of Karras et al. 2020 (StyleGAN2, arXiv 1912.04958).
    """

    @takes(StyleClassifierOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: StyleClassifierOptions) -> None:
        super().__init__()
        channels, height, columns = image_shape(input_shape, minimum=8)
        self.mapping = ImageStyles(channels, o.style_width, o.mapping_depth)
        self.stem = nn.Conv2d(channels, o.width, 3, 1, 1)
        sizes = [o.width * 2 ** min(l, 3) for l in range(o.depth + 1)]
        options = (o.style_width, o.demodulate, o.fused, o.activation, o.product)
        self.layers = nn.ModuleList(StyleBlock(a, b, 3, *options) for a, b in itertools.pairwise(sizes))
        side = min(height, columns)
        self.halvings = [side // 2 ** (l + 1) >= 4 for l in range(o.depth)]
        self.least_side = max(8, 2 ** sum(self.halvings))
        self.V = nn.Linear(sizes[-1], output_dim)

    def forward(self, x: Tensor) -> Tensor:
        w = self.mapping(x)
        x = self.stem(x)
        for layer, halve in zip(self.layers, self.halvings, strict=True):
            x = layer(x, w)
            x = F.avg_pool2d(x, 2) if halve else x
        return self.V(x.mean((2, 3)))
