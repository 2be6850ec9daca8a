"""FiLM: a residual network whose features are scaled and shifted, channel by channel, by a summary of the image."""

from functools import partial

from hpnets.layers.modulation import ChannelModulation, ImageStyles
from hpnets.models.backbone import size_of
from hpnets.models.conditional import ConditionalNet, smallest_modulated
from hpnets.models.registry import register_model
from hpnets.validate import image_shape


@register_model("film")
class FiLM(ConditionalNet):
    r"""Feature-wise linear modulation of a residual net by the image's own style.

        y = s(FiLM(conv s(FiLM(conv x))) + shortcut(x)),   FiLM(h) = (1 + gamma) * BN(h) + beta,   gamma, beta = A c

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); c: (batch, style_width) from the
    mapping network on the image averaged to 4x4. gamma = beta = 0 leaves BN(h). Sizes: "mini" (3 stages of a block, 16
    wide) and "18" (4 of two, 64 wide); `blocks` replaces the size's blocks a stage. Stem "imagenet" is 7x7 of stride 2
    and max-pooling, for images 4 times as large. Ours differs: the condition is the image itself, not a question.
    With product="sum", the additive twin, FiLM(h) = (1 + gamma) + BN(h) + beta: a shift without a scale.

    Raises ValueError for inputs that are no images of 8x8 or more (16x16 for "18" with norm "instance"), an unknown
    size, stem, norm (batch, instance, none), activation or product, an integer < 1, or blocks that are no list of such.
    Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer" (arXiv 1709.07871).
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
        norm: str = "batch",
        activation: str = "relu",
        product: str = "hadamard",
    ) -> None:
        sizes = size_of(size, width, blocks)
        least = smallest_modulated(norm, sizes[1], stem)
        channels, _, _ = image_shape(input_shape, least)
        mapping = ImageStyles(channels, style_width, mapping_depth)
        make = partial(ChannelModulation, style_width, norm=norm, product=product)
        super().__init__(input_shape, output_dim, mapping, make, sizes, activation, stem, least)
