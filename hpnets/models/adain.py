"""AdaIN: a residual network whose instance-normalised features take their statistics from a style."""

from dataclasses import dataclass
from functools import partial

from hpnets.layers.modulation import ChannelModulation, ImageStyles
from hpnets.models.conditional import ConditionalNet, StyleOptions, smallest_modulated
from hpnets.models.options import Activation, Product
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape


@dataclass(frozen=True)
class AdaINOptions(StyleOptions):
    """Style options, and the blocks', whose norm is fixed."""

    activation: Activation = "relu"
    product: Product = "hadamard"


@register_model("adain")
class AdaIN(ConditionalNet):
    r"""Adaptive instance normalisation in a residual net, the style read from the image itself.

        y = s(AdaIN(conv s(AdaIN(conv x))) + shortcut(x)),   AdaIN(h) = (1 + gamma) * (h - mu) / sigma + beta

    mu, sigma: mean and deviation of h over positions, for each sample and channel; gamma, beta = A c with c from the
    mapping network, as in StyleGAN. images: (batch, channels, height, width), 8x8 and more (16x16 for size "18", whose
    last stage would otherwise normalise one position to 0); f: (batch, output_dim). It differs from FiLM by the norm
    alone. Instance normalisation is no polynomial, whatever the activation.
    The additive twin is AdaIN(h) = (1 + gamma) + (h - mu) / sigma + beta: a shift without a scale.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Huang and Belongie 2017 (arXiv 1703.06868); A c as in Karras et al. 2019 (arXiv 1812.04948).
    """

    @takes(AdaINOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: AdaINOptions) -> None:
        least = smallest_modulated("instance", o)
        channels, _, _ = image_shape(input_shape, least)
        mapping = ImageStyles(channels, o.style_width, o.mapping_depth)
        make = partial(ChannelModulation, o.style_width, norm="instance", product=o.product)
        super().__init__(input_shape, output_dim, mapping, make, o, o.activation, least)
