"""The branches and cells of PolyNeXt: mixers of positions and channels without an activation."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hpnets.layers import make_product
from hpnets.layers.patches import LayerNorm2d
from hpnets.layers.positions import PositionNorm

HEAD = 32  # channels of a head of attention


@dataclass(frozen=True)
class Maps:
    """What a stage works on: maps of a shape, the norm and product of its branches, the channels between, kernels."""

    channels: int
    height: int
    width: int
    norm: str
    product: str
    kernel: int = 5
    attention: bool = False
    mixed: float = 1.0  # channels that PolyConv multiplies, for each one of the map
    paired: float = 1.0  # those that PolyMLP multiplies

    def make_norm(self, channels: int) -> nn.Module:
        """ "layer" over the channels at a position, without a bias, "batch" at each position, or "none"."""
        if self.norm == "batch":
            return PositionNorm(channels, self.height, self.width)
        return LayerNorm2d(channels, 1e-5, bias=False) if self.norm == "layer" else nn.Identity()

    def halved(self, channels: int) -> "Maps":
        """Maps of half the height and width, rounded up."""
        return replace(self, channels=channels, height=(self.height + 1) // 2, width=(self.width + 1) // 2)


def kaiming(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the resolution but for its stride, W ~ N(0, 2 / fan_in)."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return conv


def depthwise(channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A depthwise convolution without bias, W ~ N(0, 2 / kernel^2)."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return conv


class PolyConv(nn.Module):
    r"""norm(W_o DW_3(DW_k(h) * R DW_3'(h))), h = W_i z, R the channels in reverse: of degree 2 but for the norm.

    z: (batch, channels, H, W), as is the output. W_i, W_o: 1x1; DW: depthwise, DW_k dilated by 2.
    """

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        inner = max(int(maps.mixed * maps.channels), 1)
        self.W_i, self.W_o = kaiming(maps.channels, inner), kaiming(inner, maps.channels)
        self.wide, self.near, self.after = (
            depthwise(inner, maps.kernel, dilation=2),
            depthwise(inner, 3),
            depthwise(inner, 3),
        )
        self.norm, self.product = maps.make_norm(maps.channels), make_product(maps.product)

    def forward(self, z: Tensor) -> Tensor:
        h = self.W_i(z)
        return self.norm(self.W_o(self.after(self.product(self.wide(h), self.near(h).flip(1)))))


class PolyAttention(nn.Module):
    r"""W_o DW_3(A V),   A_ij = B_ij / sum_j B_ij,   B = (sigmoid(s) Q K^T + 1)^4, for each head, of norm(z).

        Q = DW_5(u),   K = DW_5'(u),   V = DW_3'(v),   (u, v) = W z

    z: (batch, channels, H, W), as is the output; Q, K, V: (batch, heads, H W, 32), a head for each 64 channels, rounded
    up. s starts where sigmoid(s) = 32^(-1/2). The quotient is no polynomial. With product="sum" it is W_o DW_3(Q_i +
    mean_j(K_j + V_j)): the additive twin. Convolutions start as torch draws them.
    """

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        heads = math.ceil(maps.channels / (2 * HEAD))
        inner = heads * HEAD
        self.prior = maps.make_norm(maps.channels)
        self.W = nn.Conv2d(maps.channels, 2 * inner, 1, bias=False)
        self.q, self.k, self.v, self.after = (
            nn.Conv2d(inner, inner, size, padding=size // 2, groups=inner, bias=False) for size in (5, 5, 3, 3)
        )
        self.W_o = nn.Conv2d(inner, maps.channels, 1, bias=False)
        self.s = nn.Parameter(torch.full((heads, 1, 1), -math.log(HEAD**0.5 - 1)))
        self.product = make_product(maps.product)

    def tokens(self, h: Tensor) -> Tensor:
        """(batch, heads 32, H, W) to (batch, heads, H W, 32)."""
        return h.flatten(2).unflatten(1, (-1, HEAD)).transpose(2, 3)

    def attend(self, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        """A V, or what takes its place in the twin."""
        if self.product.additive:
            return self.product(Q, self.product(K, V).mean(2, keepdim=True).expand_as(Q))
        # Q is scaled, not Q K^T, so that no product of two numbers a pair of positions is counted as Hadamard's.
        B = ((self.s.sigmoid() * Q) @ K.transpose(2, 3) + 1).square().square()
        return (B / B.sum(3, keepdim=True).clamp_min(1e-12)) @ V

    def forward(self, z: Tensor) -> Tensor:
        u, v = self.W(self.prior(z)).chunk(2, 1)
        h = self.attend(self.tokens(self.q(u)), self.tokens(self.k(u)), self.tokens(self.v(v)))
        return self.W_o(self.after(h.transpose(2, 3).flatten(1, 2).unflatten(2, z.shape[2:])))


class PolyMLP(nn.Module):
    r"""W_o norm((W_a z) * (W_b z)), 1x1 convolutions: of degree 2 but for the norm.

    z: (batch, channels, H, W), as is the output.
    """

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        inner = max(int(maps.paired * maps.channels), 1)
        self.W_a, self.W_b = kaiming(maps.channels, inner), kaiming(maps.channels, inner)
        self.norm, self.product = maps.make_norm(inner), make_product(maps.product)
        self.W_o = kaiming(inner, maps.channels)

    def forward(self, z: Tensor) -> Tensor:
        return self.W_o(self.norm(self.product(self.W_a(z), self.W_b(z))))


class Cell(nn.Module):
    r"""z = norm(s_0 * y + s_1 * x);   z = z + sigmoid(lambda_i) f_i(z), i = 1..2 pairs.

    y, x: (batch, channels, H, W), the outputs of the two cells before; f_i: a mixer (PolyConv, or PolyAttention) and
    PolyMLP in turn; s_0, s_1: a scale a channel, 1 at the start; lambda_i = -(i - 1)/2 at the start.
    """

    def __init__(self, maps: Maps, pairs: int) -> None:
        super().__init__()
        self.s_0, self.s_1 = (nn.Parameter(torch.ones(maps.channels, 1, 1)) for _ in range(2))
        self.norm = maps.make_norm(maps.channels)
        mixer = PolyAttention if maps.attention else PolyConv
        self.f = nn.ModuleList(kind(maps) for _ in range(pairs) for kind in (mixer, PolyMLP))
        self.lambdas = nn.Parameter(-torch.arange(2.0 * pairs) / 2)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        z = self.norm(self.s_0 * y + self.s_1 * x)
        for gate, f in zip(self.lambdas.sigmoid(), self.f, strict=True):
            z = z + gate * f(z)
        return z
