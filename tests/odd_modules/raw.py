"""Raw parameters in the stream of activations, and parameters that do nothing."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, odd


@odd((3, 4))
class TokenAndPositions(nn.Module):
    """A learnt token in front and learnt positions on top."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 4, 4))
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        h = torch.tanh(self.a(h))
        return self.out(h[:, 0] * h[:, 1:].mean(1))


@odd()
class LayerScale(nn.Module):
    """Branches scaled by raw vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.gamma, self.delta = nn.Parameter(torch.linspace(0.1, 1, 4)), nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.gamma * torch.tanh(self.a(x))
        return self.out(h + torch.tanh(self.b(h)).mul(self.delta))


@odd((2, 4, 4))
class LayerScaleOfChannels(nn.Module):
    """A scale of channels of an image, (C, 1, 1), and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.out = nn.Conv2d(2, 3, 3), nn.Linear(12, 3)
        self.gamma, self.beta = nn.Parameter(torch.randn(3, 1, 1)), nn.Parameter(torch.randn(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.c(x) * self.gamma + self.beta).flatten(1))


@odd()
class MatrixProducts(nn.Module):
    """Raw matrices through `@`, einsum, addmm and a ParameterList."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(5))
        self.list = nn.ParameterList(torch.randn(5, 5) for _ in range(2))
        self.dict = nn.ParameterDict({"core": torch.randn(5, 5, 3)})

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(torch.addmm(self.b, x, self.w))
        for w in self.list:
            h = torch.tanh(h @ w)
        return torch.einsum("ni,nj,ijo->no", h, h, self.dict["core"])


@odd()
class ConcatenatedParameter(nn.Module):
    """A learnt vector beside the features, and a learnt default where a feature is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.beside, self.default = nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(4))
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.where(x.abs() < 0.3, self.default, x)
        return self.out(torch.tanh(torch.cat([h, self.beside.expand(len(x), -1)], 1)))


@odd(may_refuse=NO_FORWARD_MODE)
def Slopes() -> nn.Module:
    """PReLU with one slope and with one for each channel."""
    return nn.Sequential(nn.Linear(4, 5), nn.PReLU(), nn.Linear(5, 5), nn.PReLU(5), nn.Linear(5, 3))


@odd()
class Constant(nn.Module):
    """Outputs that no parameter reaches: the kernel is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3] * 2


@odd()
class ConstantOutput(nn.Module):
    """One output is constant, one is a bias alone."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.bias = nn.Linear(4, 1), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(x[:, :1]), self.bias.expand(len(x), 1), self.a(x).sin()], 1)


@odd()
class IgnoredParameters(nn.Module):
    """Parameters that forward never reads, and a read-out that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.ignored, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)
        self.raw = nn.Parameter(torch.ones(2))
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)))


@odd()
class EmptyParameter(nn.Module):
    """A parameter without entries, and a layer without outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.none, self.out = nn.Linear(4, 5), nn.Linear(4, 0), nn.Linear(5, 3)
        self.empty = nn.Parameter(torch.zeros(0))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.cat([torch.tanh(self.a(x)), self.none(x), self.empty.expand(len(x), 0)], 1)
        return self.out(h)
