"""Attention and convolutions in the dress that networks at large give them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import odd


@odd((3, 4))
class Attention(nn.Module):
    """nn.MultiheadAttention, which uses the weights of a layer that it never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out = nn.LayerNorm(4), nn.Linear(4, 3)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return self.out((h + self.attention(h, h, h, need_weights=False)[0])[:, 0])


@odd((3, 4))
def TransformerEncoder() -> nn.Module:
    """nn.TransformerEncoderLayer, whose eval mode has a path of its own."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.1, batch_first=True)
    return nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten(), nn.Linear(12, 3))


@odd((3, 4), train=True)
def TransformerWithoutDropoutInTrainMode() -> nn.Module:
    """A transformer layer without dropout in train mode."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 3))


@odd((3, 4))
class FusedAttention(nn.Module):
    """F.scaled_dot_product_attention with a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)[:, -1])


@odd((2, 5, 5))
def OddConvolutions() -> nn.Module:
    """Circular padding, groups, dilation and a transposed convolution."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular", groups=2),
        nn.Tanh(),
        nn.Conv2d(4, 4, 2, dilation=2, stride=2),
        nn.Tanh(),
        nn.ConvTranspose2d(4, 2, 2, stride=2, output_padding=1, groups=2),
        nn.Flatten(),
        nn.Linear(50, 3),
    )


@odd((2, 5, 5))
class PaddedByInputSize(nn.Module):
    """Padding that the size of the input decides, as TensorFlow's `same` does."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.d, self.out = nn.Conv2d(2, 3, 3, stride=2), nn.Conv2d(3, 3, 3, stride=2), nn.Linear(12, 3)

    def same(self, layer: nn.Conv2d, x: Tensor) -> Tensor:
        """The layer on ceil(size / 2) positions."""
        missing = max((-(-x.shape[-1] // 2) - 1) * 2 + 3 - x.shape[-1], 0)
        return layer(F.pad(x, [missing // 2, missing - missing // 2] * 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.same(self.d, torch.tanh(self.same(self.c, x)))).flatten(1))


@odd((2, 4, 4))
class UnfoldedPatches(nn.Module):
    """A Linear layer on unfolded patches, and PixelShuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(8, 8), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(F.unfold(x, 2, stride=2).transpose(1, 2)))
        return self.out(F.pixel_shuffle(h.transpose(1, 2).unflatten(2, (2, 2)), 2).flatten(1))
