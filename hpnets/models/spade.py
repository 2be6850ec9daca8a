"""SPADE: a residual network whose features are scaled and shifted at every position by a map."""

from functools import partial

from torch import nn

from hpnets.layers.modulation import SpatialModulation
from hpnets.models.backbone import size_of
from hpnets.models.conditional import ConditionalNet, smallest_modulated
from hpnets.models.registry import register_model
from hpnets.validate import at_least, image_shape


@register_model("spade")
class SPADE(ConditionalNet):
    r"""Spatially adaptive normalisation in a residual net, the map being the image itself.

        y = s(SPADE(conv s(SPADE(conv x))) + shortcut(x)),   SPADE(h) = (1 + gamma(m)) * BN(h) + beta(m)

    gamma, beta = conv relu(conv m), 3x3, `hidden` channels between; m is the image averaged to the size of h. images:
    (batch, channels, height, width), 8x8 and more; f: (batch, output_dim). gamma = beta = 0 leaves BN(h). Sizes,
    `blocks` and `stem` are FiLM's. Ours differs: m is the image that is classified, not a segmentation, and is
    averaged, not subsampled.
    With product="sum", the additive twin, SPADE(h) = (1 + gamma(m)) + BN(h) + beta(m): a shift without a scale.

    Raises ValueError for inputs that are no images of 8x8 or more (16x16 for "18" with norm "instance"), an unknown
    size, stem, norm (batch, instance, none), activation or product, an integer < 1, or blocks that are no list of such.
    Source: Park et al. 2019, "Semantic Image Synthesis with Spatially-Adaptive Normalization" (arXiv 1903.07291).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        size: str = "mini",
        width: int | None = None,
        blocks: list[int] | None = None,
        stem: str = "small",
        hidden: int = 8,
        norm: str = "batch",
        activation: str = "relu",
        product: str = "hadamard",
    ) -> None:
        sizes = size_of(size, width, blocks)
        least = smallest_modulated(norm, sizes[1], stem)
        channels, _, _ = image_shape(input_shape, least)
        make = partial(SpatialModulation, channels, hidden=at_least("hidden", hidden, 1), norm=norm, product=product)
        super().__init__(input_shape, output_dim, nn.Identity(), make, sizes, activation, stem, least)
