"""Work in place, other layouts in memory, tuples and dicts between modules."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import odd


@odd((2, 4, 4))
class InPlace(nn.Module):
    """ReLU, sum and product in place, right after layers."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.n, self.d, self.out = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.Linear(12, 3)
        self.register_buffer("shift", torch.ones(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.n(self.c(x)).add_(self.shift).relu_()
        return self.out((self.d(h).relu_() + h).mul_(2).flatten(1))


@odd()
class WritesIntoSlices(nn.Module):
    """Results written into parts of a new tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 3), nn.Linear(4, 2), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 5)
        h[:, 1:4] = self.a(x)
        h[:, ::4] = torch.tanh(self.b(x))
        return self.out(h.sin_())


@odd()
class WritesToItsInput(nn.Module):
    """The input is squashed in place: the caller's samples are at risk."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.mul_(0.5).sin_())))


@odd((2, 4, 4), rows=lambda x: x.to(memory_format=torch.channels_last))
def ChannelsLast() -> nn.Module:
    """Images and weights in channels-last memory."""
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 2),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return net.to(memory_format=torch.channels_last)


@odd()
class ExpandedInput(nn.Module):
    """A layer on one row per sample, seen from many places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))[:, None].expand(-1, 3, -1)
        return self.out(torch.sin(self.b(h)).sum(1))


@odd()
class ExpandedOutput(nn.Module):
    """One output, seen three times."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x))).expand(-1, 3)


@odd()
class ReadOutChangedInPlace(nn.Module):
    """The read-out's output is scaled in place by hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(h).mul_(h.mean(1, keepdim=True))


class Pair(nn.Module):
    """(tuple of two tensors, factor) -> dict of two tensors, one of them by a Linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, pair: tuple[Tensor, Tensor], *, factor: float) -> dict[str, Tensor]:
        left, right = pair
        return {"left": torch.tanh(self.a(left)) * factor, "right": right * left}


@odd()
class TuplesInside(nn.Module):
    """Modules that take tuples and keywords, and return dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = Pair(), Pair(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        one = self.first((x, x.cos()), factor=0.5)
        two = self.second((one["right"], one["left"]), factor=2.0)
        return self.out(input=two["left"] + two["right"])


@odd()
class ReadOutOfManyHeads(nn.Module):
    """Outputs that several layers write, concatenated and permuted."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.heads = nn.Linear(4, 5), nn.ModuleList(nn.Linear(5, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return torch.cat([head(h) for head in self.heads], 1)[:, [2, 0, 1]]
