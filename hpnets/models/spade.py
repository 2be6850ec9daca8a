"""SPADE: a residual network whose features are scaled and shifted at every position by a map."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import nn

from hpnets.layers.modulation import SpatialModulation
from hpnets.models.backbone import StageOptions
from hpnets.models.conditional import BareNorm, ConditionalNet, smallest_modulated
from hpnets.models.options import Activation, Product, count
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape


@dataclass(frozen=True)
class SPADEOptions(StageOptions):
    """Stages of blocks that are modulated by a map."""

    hidden: Annotated[int, count("channels between the map's two convolutions")] = 8
    norm: BareNorm = "batch"
    activation: Activation = "relu"
    product: Product = "hadamard"


@register_model("spade")
class SPADE(ConditionalNet):
    r"""Spatially adaptive normalisation in a residual net, the map being the image itself.

        y = s(SPADE(conv s(SPADE(conv x))) + shortcut(x)),   SPADE(h) = (1 + gamma(m)) * BN(h) + beta(m)

    gamma, beta = conv relu(conv m), 3x3, `hidden` channels between; m is the image averaged to the size of h. images:
    (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). gamma = beta = 0 leaves BN(h). Ours
    differs: m is the image that is classified, not a segmentation, and is averaged, not subsampled.
    The additive twin is SPADE(h) = (1 + gamma(m)) + BN(h) + beta(m): a shift without a scale.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Park et al. 2019, "Semantic Image Synthesis with Spatially-Adaptive Normalization" (arXiv 1903.07291).
    """

    @takes(SPADEOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: SPADEOptions) -> None:
        least = smallest_modulated(o.norm, o)
        channels, _, _ = image_shape(input_shape, least)
        make = partial(SpatialModulation, channels, hidden=o.hidden, norm=o.norm, product=o.product)
        super().__init__(input_shape, output_dim, nn.Identity(), make, o, o.activation, least)
