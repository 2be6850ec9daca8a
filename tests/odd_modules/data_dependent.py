"""What a layer does, or whether it does anything, depends on the sample; the first samples need not show it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import closed_first, in_order_first, odd


@odd(rows=closed_first)
class GateClosedFirst(nn.Module):
    """A branch that is shut on the first samples."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.gated, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)) + x[:, :1].relu() * torch.tanh(self.gated(x)))


@odd(rows=closed_first, wrong_guess="a.weight")
class SecondUseLater(nn.Module):
    """A layer whose weight is used a second time, by no call, on later samples only."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(h + x[:, :1].relu() * torch.sin(F.linear(h, self.a.weight)))


class SometimesScaled(nn.Linear):
    """A Linear layer, scaled by its weight's sum where the first feature is positive."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return torch.where(x[:, :1] > 0, y * self.weight.sum(), y)


@odd(rows=closed_first, wrong_guess="0.weight")
def OverriddenForwardSometimes() -> nn.Module:
    """A subclass of Linear that is no Linear layer on later samples."""
    return nn.Sequential(SometimesScaled(4, 5), nn.Tanh(), nn.Linear(5, 3))


class Scaled(nn.Linear):
    """A subclass of Linear that is no Linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.weight.sum()


@odd()
def OverriddenForward() -> nn.Module:
    """An overridden forward, inside and as the read-out."""
    return nn.Sequential(Scaled(4, 5), nn.Tanh(), Scaled(5, 3))


@odd(rows=closed_first)
class MixedUnitsLater(nn.Module):
    """A Hadamard chain whose units mix on later samples only."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(torch.where(x[:, :1] > 0, h * h.roll(1, 1), h * h))


@odd()
class FlippedRows(nn.Module):
    """A layer whose rows are the samples from last to first."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.flip(0))).flip(0))


@odd(rows=in_order_first, wrong_guess="a.weight")
class SortedRows(nn.Module):
    """A layer whose rows are the samples sorted by a feature, in order on the first two."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        order = x[:, 0].argsort()
        return self.out(torch.tanh(self.a(x[order]))[order.argsort()])


@odd((3, 4))
class SortedPositions(nn.Module):
    """Tokens in the order of their first feature."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(15, 3)

    def forward(self, x: Tensor) -> Tensor:
        order = x[..., :1].argsort(1)
        return self.out(torch.tanh(self.a(x.gather(1, order.expand_as(x)))).flatten(1))
