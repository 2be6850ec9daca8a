"""Style generator: StyleGAN2's, from latents to images by modulated convolutions, with its styles mapped from them."""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from hpnets.layers.modulation import MappingNetwork, StyleBlock
from hpnets.layers.resample import Resample2d
from hpnets.models.options import Activation, Demodulate, Fused, Product, choice, count, flag
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes

# size: channels at the full resolution, most channels, width and depth of the mapping network
SIZES: dict[str, tuple[int, int, int, int]] = {
    "mini": (16, 64, 64, 2),
    "small": (32, 128, 128, 4),
    "base": (64, 512, 512, 8),
}
MEANT = "mini for 8x8, small for 28x28 and 32x32, base, the paper's, up to 224x224"


@dataclass(frozen=True)
class StyleGeneratorOptions(OptionSet):
    """The size, and what the convolutions do."""

    size: Annotated[str, choice(MEANT, SIZES)] = "mini"
    width: Annotated[int | None, count("channels at the full resolution; null is the size's own")] = None
    demodulate: Demodulate = True
    noise: Annotated[bool, flag("add noise of a learnt strength to each map")] = True
    fused: Fused = False
    activation: Activation = "leaky_relu"
    product: Product = "hadamard"


def picture_of(output_dim: int) -> tuple[int, int]:
    """(colours, side) of the square picture, grey or of three colours, with output_dim values; ValueError if none."""
    for colours in (1, 3):
        side = math.isqrt(output_dim // colours)
        if colours * side**2 == output_dim:
            return colours, side
    raise ValueError(f"output_dim is {output_dim}; allowed: n * n or 3 * n * n, the values of a square picture")


def sides_of(side: int) -> list[int]:
    """The resolutions up to `side`, each twice the last, from the first that is odd or at most 4."""
    return [*sides_of(side // 2), side] if side % 2 == 0 and side > 4 else [side]


class Noise(nn.Module):
    """strength * n, n ~ N(0, 1) (batch, 1, side, side): drawn anew in training, a fixed one for all in eval mode."""

    n: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))
        self.register_buffer("n", torch.randn(1, 1, side, side))

    def forward(self, x: Tensor) -> Tensor:
        shape = (x.shape[0], *self.n.shape[1:])
        return self.strength * (torch.randn(shape, dtype=x.dtype, device=x.device) if self.training else self.n)


class Level(nn.Module):
    """One resolution: the map and the picture so far are doubled, then styled blocks, and the colours that they add.

    The first level has neither to double, and one block instead of two.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        side: int,
        colours: int,
        first: bool,
        noise: bool,
        activation: str,
        **style: Any,
    ) -> None:
        super().__init__()
        self.up = nn.Identity() if first else Resample2d(up=True)
        widths = [inputs, channels] if first else [inputs, channels, channels]
        self.blocks = nn.ModuleList(
            StyleBlock(a, b, 3, activation=activation, **style) for a, b in itertools.pairwise(widths)
        )
        self.noises = nn.ModuleList(Noise(side) for _ in self.blocks if noise)
        self.colours = StyleBlock(channels, colours, 1, **{**style, "demodulate": False}, activation="none")
        self.gain = 1.0 if activation == "none" else 2**0.5

    def forward(self, x: Tensor, f: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        x, f = self.up(x), self.up(f)
        for k, block in enumerate(self.blocks):
            x = self.gain * block(x, w, self.noises[k](x) if self.noises else 0.0)
        return x, f + self.colours(x, w)


@register_model("style_generator")
class StyleGenerator(nn.Module):
    r"""Square pictures from latents: a learned constant, convolved with weights that its style scales.

        w = mapping(z / rms(z));   x_0 = the constant;   f_0 = 0
        at each resolution:   x <- up x,  f <- up f;   x <- sqrt(2) s(W''(A w) conv x + b + strength * noise), twice
                              f <- f + W'(A w) conv1x1 x + b

    z: (batch, *input_shape), flattened; f: (batch, output_dim), a picture of n * n values, or of 3 * n * n in colours,
    flattened. W'' is `ModulatedConv2d`'s, 3x3, W' the same without demodulation; `up` is `Resample2d`'s. The first
    resolution, n halved as long as it is even and above 4, has no `up` and one convolution. Noise is drawn anew in
    training and fixed in eval mode; its strength starts at 0. `width` channels at the full resolution, twice as many
    at each one below, up to the size's limit ("base": 512 channels, and 8 mapping layers).
    Ours differs: up-sampling comes before the convolution, no path-length term, no style mixing, no truncation, and
    only the modulated convolutions scale their weights at run time. The gain sqrt(2) is there only with an activation.
    In the additive twin styles are added to x, where they would have scaled it.

    Raises ValueError for an output_dim of no square picture, and for what the options do not allow.
    Source: Karras et al. 2020 (StyleGAN2, arXiv 1912.04958).
    """

    generates_pictures = True
    head_name = None
    takes_scale = "mapping"  # z reaches it without its scale, so that half precision is tried on w

    @takes(StyleGeneratorOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: StyleGeneratorOptions) -> None:
        super().__init__()
        colours, side = picture_of(output_dim)
        own, most, styles, depth = SIZES[o.size]
        style = {"styles": styles, "demodulate": o.demodulate, "fused": o.fused, "product": o.product}
        width, sides = o.width or own, sides_of(side)
        widths = [min(width * side // s, max(width, most)) for s in sides]
        self.mapping = MappingNetwork(math.prod(input_shape), styles, depth)
        self.constant = nn.Parameter(torch.randn(1, widths[0], sides[0], sides[0]))
        self.levels = nn.ModuleList(
            Level(a, b, s, colours, s == sides[0], o.noise, o.activation, **style)
            for a, b, s in zip([widths[0], *widths], widths, sides, strict=False)
        )
        self.picture_shape = (colours, side, side)

    def forward(self, z: Tensor) -> Tensor:
        z = z.flatten(1)
        w = self.mapping(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        x = self.constant.expand(z.shape[0], -1, -1, -1)
        f = x.new_zeros(z.shape[0], self.picture_shape[0], *x.shape[2:])
        for level in self.levels:
            x, f = level(x, f, w)
        return f.flatten(1)
