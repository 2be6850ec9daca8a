"""Modulation: features that another input scales and shifts, and convolutions whose weights it scales."""

import itertools
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers.activations import make_activation
from hpnets.layers.products import Product, hadamard, make_product
from hpnets.validate import one_of

BARE_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": lambda channels: nn.BatchNorm2d(channels, affine=False),
    "instance": nn.InstanceNorm2d,
    "none": lambda channels: nn.Identity(),
}


def bare_norm2d(name: str, channels: int) -> nn.Module:
    """ "batch", "instance" or "none" without weight and bias, which a modulation puts in their place."""
    return BARE_NORMS[one_of("norm", name, BARE_NORMS)](channels)


def modulate(x: Tensor, gamma: Tensor, beta: Tensor, product: Product = hadamard) -> Tensor:
    """product(1 + gamma, x) + beta, which is (1 + gamma) * x + beta by default.

    x: (..., C, H, W); gamma, beta: of shapes that broadcast to it.
    """
    return product((1 + gamma).expand_as(x), x) + beta


class ChannelModulation(nn.Module):
    r"""(1 + gamma) * norm(x) + beta with gamma, beta = A c, one each a channel.

    x: (batch, channels, H, W); c: (batch, inputs); A starts as N(0, 1/inputs), its bias 0.
    """

    def __init__(self, inputs: int, channels: int, norm: str, product: str = "hadamard") -> None:
        super().__init__()
        self.norm, self.product = bare_norm2d(norm, channels), make_product(product)
        self.A = nn.Linear(inputs, 2 * channels)
        nn.init.normal_(self.A.weight, std=inputs**-0.5), nn.init.zeros_(self.A.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        gamma, beta = self.A(c)[..., None, None].chunk(2, dim=1)
        return modulate(self.norm(x), gamma, beta, self.product)


class SpatialModulation(nn.Module):
    r"""(1 + gamma) * norm(x) + beta with gamma, beta = conv relu(conv m), one each a channel and position.

    x: (batch, channels, H, W); m: (batch, inputs, any size), averaged down (or repeated up) to H x W.
    """

    def __init__(self, inputs: int, channels: int, hidden: int, norm: str, product: str = "hadamard") -> None:
        super().__init__()
        self.norm, self.product = bare_norm2d(norm, channels), make_product(product)
        self.shared = nn.Conv2d(inputs, hidden, 3, 1, 1)
        self.A = nn.Conv2d(hidden, 2 * channels, 3, 1, 1)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        m = F.adaptive_avg_pool2d(m, (x.shape[2], x.shape[3]))
        gamma, beta = self.A(torch.relu(self.shared(m))).chunk(2, dim=1)
        return modulate(self.norm(x), gamma, beta, self.product)


class MappingNetwork(nn.Module):
    r"""Styles: w = lrelu(W_l ... lrelu(W_1 z)).

    z: (batch, inputs); w: (batch, width). W_l ~ N(0, 2 / fan_in).
    """

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.W = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        for layer, fan_in in zip(self.W, sizes, strict=False):
            nn.init.normal_(layer.get_parameter("weight"), std=(2 / fan_in) ** 0.5)
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, z: Tensor) -> Tensor:
        w = z
        for W_l in self.W:
            w = F.leaky_relu(W_l(w), 0.2)
        return w


class ImageStyles(MappingNetwork):
    """The styles of images (batch, channels, H, W): the mapping network on the image averaged on a 4x4 grid."""

    GRID = 4

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__(channels * self.GRID**2, width, depth)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.adaptive_avg_pool2d(x, self.GRID).flatten(1))


class ModulatedConv2d(nn.Module):
    r"""Convolution whose weights are scaled, for each sample, by its style s, and rescaled to unit norm.

        W'_jik = s_i W_jik;   W''_jik = W'_jik (sum_ik W'_jik^2 + eps)^(-1/2) if `demodulate`, else W'_jik

    x: (batch, inputs, H, W); s: (batch, inputs); output: (batch, channels, H, W). W ~ N(0, 1), times fan_in^(-1/2)
    where it is not demodulated. fused=True folds the batch into the groups of one convolution with W''; otherwise
    x is scaled by s before the convolution with W and by the root after it, the same number without a weight a sample.
    With demodulation s is divided by its own sample's largest |s_i| first, which changes nothing but keeps fp16 from
    overflowing and eps small beside the sum.
    With product="sum", the additive twin, it is the convolution of x + s with W; demodulation, with no scale of s to
    undo, leaves W's own norm, and fused has nothing to fold.

    Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv 1912.04958), eq. 1-3.
    """

    scaled_by_fan_in: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: int,
        demodulate: bool,
        fused: bool = False,
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, inputs, kernel, kernel))
        self.scale, self.eps = (inputs * kernel**2) ** -0.5, 1e-8
        self.demodulate, self.fused, self.product = demodulate, fused, make_product(product)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        W = self.weight * self.scale
        if self.product.additive:
            return self._additive(x, s, W)
        if self.demodulate:
            s = s / s.abs().amax(1, keepdim=True).clamp_min(1e-12)
        return self._fused(x, s, W) if self.fused else self._unfused(x, s, W)

    def _additive(self, x: Tensor, s: Tensor, W: Tensor) -> Tensor:
        if self.demodulate:
            W = W * (W.square().sum((1, 2, 3), keepdim=True) + self.eps).rsqrt()
        return F.conv2d(self.product(x, s[..., None, None].expand_as(x)), W, padding="same")

    def _unfused(self, x: Tensor, s: Tensor, W: Tensor) -> Tensor:
        y = F.conv2d(hadamard(x, s[..., None, None].expand_as(x)), W, padding="same")
        if not self.demodulate:
            return y
        with torch.autocast(s.device.type, enabled=False):  # squares of large weights overflow float16: d would be 0
            d = (s.to(W.dtype).square() @ W.square().sum((2, 3)).T + self.eps).rsqrt()
        return hadamard(y, d[..., None, None].expand_as(y))

    def _fused(self, x: Tensor, s: Tensor, W: Tensor) -> Tensor:
        n, inputs, height, width = x.shape
        W = s[:, None, :, None, None] * W
        if self.demodulate:
            W = W * (W.square().sum((2, 3, 4), keepdim=True) + self.eps).rsqrt()
        y = F.conv2d(x.reshape(1, n * inputs, height, width), W.flatten(0, 1), padding="same", groups=n)
        return y.reshape(n, -1, height, width)


class StyleBlock(nn.Module):
    r"""y = s(W'' conv x + b + n) with W'' scaled by the styles A w, which start as N(1, 1) for w of unit variance.

    x: (batch, inputs, H, W); w: (batch, styles); n: noise that broadcasts to y, or 0; y: (batch, channels, H, W).
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: int,
        styles: int,
        demodulate: bool,
        fused: bool,
        activation: str,
        product: str = "hadamard",
    ) -> None:
        super().__init__()
        self.A = nn.Linear(styles, inputs)
        nn.init.normal_(self.A.weight, std=styles**-0.5), nn.init.ones_(self.A.bias)
        self.conv = ModulatedConv2d(inputs, channels, kernel, demodulate, fused, product)
        self.b = nn.Parameter(torch.zeros(channels, 1, 1))
        self.act = make_activation(activation)

    def forward(self, x: Tensor, w: Tensor, n: Tensor | float = 0.0) -> Tensor:
        return self.act(self.conv(x, self.A(w)) + self.b + n)
