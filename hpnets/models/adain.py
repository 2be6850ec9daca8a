"""AdaIN: a residual network whose instance-normalised features take their statistics from a style."""

from functools import partial

from hpnets.layers.modulation import ChannelModulation, ImageStyles
from hpnets.models.backbone import size_of
from hpnets.models.conditional import ConditionalNet, smallest_modulated
from hpnets.models.registry import register_model
from hpnets.validate import image_shape


@register_model("adain")
class AdaIN(ConditionalNet):
    r"""Adaptive instance normalisation in a residual net, the style read from the image itself.

        y = s(AdaIN(conv s(AdaIN(conv x))) + shortcut(x)),   AdaIN(h) = (1 + gamma) * (h - mu) / sigma + beta

    mu, sigma: mean and deviation of h over positions, for each sample and channel; gamma, beta = A c with c from the
    mapping network, as in StyleGAN. images: (batch, channels, height, width), 8x8 and more (16x16 for size "18", whose
    last stage would otherwise normalise one position to 0); f: (batch, output_dim). Sizes, `blocks` and `stem` are
    FiLM's, from which it differs by the norm alone. Instance normalisation is no polynomial, whatever the activation.
    With product="sum", the additive twin, AdaIN(h) = (1 + gamma) + (h - mu) / sigma + beta: a shift without a scale.

    Raises ValueError for inputs that are no images of that size, an unknown size, stem, activation or product, an
    integer < 1, or blocks that are no list of such.
    Source: Huang and Belongie 2017 (arXiv 1703.06868); A c as in Karras et al. 2019 (arXiv 1812.04948).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        size: str = "mini",
        width: int | None = None,
        blocks: list[int] | None = None,
        stem: str = "small",
        style_width: int = 32,
        mapping_depth: int = 2,
        activation: str = "relu",
        product: str = "hadamard",
    ) -> None:
        sizes = size_of(size, width, blocks)
        least = smallest_modulated("instance", sizes[1], stem)
        channels, _, _ = image_shape(input_shape, least)
        mapping = ImageStyles(channels, style_width, mapping_depth)
        make = partial(ChannelModulation, style_width, norm="instance", product=product)
        super().__init__(input_shape, output_dim, mapping, make, sizes, activation, stem, least)
