"""Discriminator: StyleGAN2's, the adversary of the style generator; unregistered, since nobody trains it alone."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers.resample import Resample2d
from hpnets.validate import at_least


def spread(x: Tensor) -> Tensor:
    """x (batch, C, H, W) with one more channel: the standard deviation over the batch, averaged over all other axes."""
    # 1e-8 keeps the root away from 0, where it has no gradient.
    std = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    return torch.cat([x, std.expand(len(x), 1, *x.shape[2:])], 1)


class Halving(nn.Module):
    """(conv lrelu conv x + skip x) / sqrt(2), at half the resolution."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.skip = nn.Conv2d(inputs, channels, 1, bias=False)
        self.down = Resample2d(up=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv2(self.down(F.leaky_relu(self.conv1(x), 0.2))), 0.2)
        return (y + self.skip(self.down(x))) / 2**0.5


class Discriminator(nn.Module):
    r"""D(x): one logit a picture, high where it takes it for a real one.

    pictures: (batch, colours, side, side); D: (batch,). Residual blocks halve the resolution as long as it is even and
    above 4, with `width` channels at first and twice as many after each, up to 8 * width; then the batch's spread as
    a channel, a convolution and two linear layers. Weights start as N(0, 2/fan_in), biases at 0.
    Source: Karras et al. 2020 (StyleGAN2, arXiv 1912.04958); the spread is Karras et al. 2018 (arXiv 1710.10196), over
    the whole batch.
    """

    def __init__(self, picture_shape: tuple[int, int, int], width: int = 32) -> None:
        super().__init__()
        colours, side, _ = picture_shape
        at_least("width", width, 1)
        self.colours = nn.Conv2d(colours, width, 1)
        blocks, channels = [], width
        while side % 2 == 0 and side > 4:
            blocks.append(Halving(channels, min(2 * channels, 8 * width)))
            channels, side = min(2 * channels, 8 * width), side // 2
        self.blocks = nn.Sequential(*blocks)
        self.conv = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.W, self.V = nn.Linear(channels * side**2, channels), nn.Linear(channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=(2 / math.prod(module.weight.shape[1:])) ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.blocks(F.leaky_relu(self.colours(x), 0.2))
        h = F.leaky_relu(self.conv(spread(h)), 0.2).flatten(1)
        return self.V(F.leaky_relu(self.W(h), 0.2))[:, 0]
