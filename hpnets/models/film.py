"""FiLM: a residual network whose features are scaled and shifted, channel by channel, by a summary of the image."""

from dataclasses import dataclass
from functools import partial

from hpnets.layers.modulation import ChannelModulation, ImageStyles
from hpnets.models.conditional import BareNorm, ConditionalNet, StyleOptions, smallest_modulated
from hpnets.models.options import Activation, Product
from hpnets.models.registry import register_model
from hpnets.option_sets import takes
from hpnets.validate import image_shape


@dataclass(frozen=True)
class FiLMOptions(StyleOptions):
    """Style options, and the blocks'."""

    norm: BareNorm = "batch"
    activation: Activation = "relu"
    product: Product = "hadamard"


@register_model("film")
class FiLM(ConditionalNet):
    r"""Feature-wise linear modulation of a residual net by the image's own style.

        y = s(FiLM(conv s(FiLM(conv x))) + shortcut(x)),   FiLM(h) = (1 + gamma) * BN(h) + beta,   gamma, beta = A c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); c: (batch, style_width) from the
    mapping network on the image averaged to 4x4. gamma = beta = 0 leaves BN(h). Ours differs: the condition is the
    image itself, not a question. The additive twin is FiLM(h) = (1 + gamma) + BN(h) + beta: a shift without a scale.

    Raises ValueError for inputs that are no images of that size, and for what the options do not allow.
    Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer" (arXiv 1709.07871).
    """

    @takes(FiLMOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: FiLMOptions) -> None:
        least = smallest_modulated(o.norm, o)
        channels, _, _ = image_shape(input_shape, least)
        mapping = ImageStyles(channels, o.style_width, o.mapping_depth)
        make = partial(ChannelModulation, o.style_width, norm=o.norm, product=o.product)
        super().__init__(input_shape, output_dim, mapping, make, o, o.activation, least)
