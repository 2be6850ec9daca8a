"""Norms in the dress that networks at large give them, and gradients that are one number seen many times."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import odd


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of images."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class BatchNormAct(nn.BatchNorm2d):
    """BatchNorm and its activation as one module."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)
        return F.silu(x)


class GroupNormAct(nn.GroupNorm):
    """GroupNorm and its activation as one module."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps))


def around(norm: nn.Module) -> nn.Module:
    """A small convolutional net around a norm with random parameters and statistics."""
    for t in (*norm.parameters(), *norm.buffers()):
        if t.is_floating_point():
            nn.init.uniform_(t, 0.5, 1.5)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), norm, nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)
    )


@odd((2, 4, 4))
def ChannelFirstLayerNorm() -> nn.Module:
    """A LayerNorm subclass that moves the axes of images."""
    return around(ChannelNorm(4))


@odd((2, 4, 4))
def BatchNormWithActivation() -> nn.Module:
    """A BatchNorm subclass that also applies SiLU."""
    return around(BatchNormAct(4))


@odd((2, 4, 4))
def GroupNormWithActivation() -> nn.Module:
    """A GroupNorm subclass that also applies SiLU."""
    return around(GroupNormAct(2, 4))


@odd((2, 4, 4))
def InstanceNorm() -> nn.Module:
    """InstanceNorm with parameters and running statistics."""
    return around(nn.InstanceNorm2d(4, affine=True, track_running_stats=True))


@odd((2, 4, 4), train=True)
def InstanceNormInTrainMode() -> nn.Module:
    """InstanceNorm in train mode neither draws nor couples."""
    return around(nn.InstanceNorm2d(4, affine=True))


@odd((2, 4, 4))
class TokensOfAnImage(nn.Module):
    """BatchNorm, flattened to tokens, into a LayerNorm: torch's backward is wrong for one sample alone."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.n, self.out = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.b(self.c(x)).flatten(2).transpose(1, 2)
        return self.out(torch.tanh(self.n(h)).square().mean(1))


@odd((2, 4, 4))
class ProductOfTokens(nn.Module):
    """The same through a product in place of the LayerNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.out = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(4, 3)
        self.n = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.n(self.c(x)).flatten(2).transpose(1, 2)
        return self.out((h * h.roll(1, 1)).mean(1))


@odd()
class TwoNormsAdded(nn.Module):
    """Two BatchNorms of one stream, added: their gradients are one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.m, self.out = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.BatchNorm1d(5), nn.Linear(5, 3)
        nn.init.uniform_(self.m.get_buffer("running_var"), 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(self.n(h) + self.m(h))


@odd()
class SummedNorm(nn.Module):
    """A norm whose outputs are summed: its gradient is one number seen many times."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n = nn.Linear(4, 5), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.n(self.a(x)).sum(1, keepdim=True)


@odd((2, 4, 4))
def SummedConvolution() -> nn.Module:
    """The mean of a convolution, with no layer after it."""
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
