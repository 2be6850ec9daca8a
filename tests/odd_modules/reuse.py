"""One layer or one weight in several places."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import blank_first, odd


@odd()
class CalledTwice(nn.Module):
    """A layer that is called on its own output, and one whose result is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.wasted, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.wasted(x)
        return self.out(torch.tanh(self.a(torch.tanh(self.a(x)))))


@odd((2, 4, 4))
class CalledAtTwoResolutions(nn.Module):
    """A convolution and a norm on an image and on its half."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.n, self.out = nn.Conv2d(2, 2, 3, padding=1), nn.GroupNorm(1, 2), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(torch.tanh(self.n(self.c(x))), 2)
        return self.out(torch.tanh(self.n(self.c(h))).flatten(1))


@odd()
def SharedModule() -> nn.Module:
    """One module at three places of a Sequential."""
    return nn.Sequential(*[nn.Linear(4, 4), nn.Tanh()] * 3, nn.Linear(4, 3))


@odd()
class SharedBetweenBranches(nn.Module):
    """Two branches that hold the same layer under names of their own."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Linear(4, 4)
        self.left, self.right = nn.Sequential(shared, nn.Tanh()), nn.Sequential(nn.Linear(4, 4), nn.Tanh(), shared)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.left(x) * self.right(x))


@odd()
class SharedParent(nn.Module):
    """A block under two names, called under both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.second(self.first(x)))


@odd()
class SharedNorm(nn.Module):
    """A LayerNorm on two streams."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.n, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.n(self.a(x))) + self.n(self.b(x)))


@odd()
class TiedWeightsOwnBiases(nn.Module):
    """Two layers with one weight and a bias each."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.b(torch.tanh(self.a(x)))))


@odd()
class TiedAcrossKinds(nn.Module):
    """One tensor as the weight of a Linear and, seen otherwise, of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 4, bias=False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(F.conv1d(h[:, None], self.a.weight.view(8, 1, 2), stride=3).flatten(1)[:, :8])


@odd(rows=blank_first, wrong_guess="encoder.weight")
class TiedAutoencoder(nn.Module):
    """The decoder is the encoder transposed; a blank first sample shows only one of the two."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(self.encoder(x)), self.encoder.weight.T)


@odd(rows=lambda x: torch.cat([torch.zeros_like(x[:2]), x[2:]]), wrong_guess="encoder.weight")
class TiedAutoencoderOfTwoBlanks(TiedAutoencoder):
    """The first two samples are blank: a plan that looks at two samples sees no gradient at all."""


@odd()
class TiedEmbedding(nn.Module):
    """The read-out's weight is the embedding's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.a = nn.Embedding(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embedding((x * 2).abs().long() % 3).mean(1)
        return F.linear(torch.tanh(self.a(h)), self.embedding.weight)


@odd()
class AliasInOneModule(nn.Module):
    """A parameter under two names of one module."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.weight = nn.Linear(4, 4), nn.Parameter(torch.randn(3, 4))
        self.alias = self.weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.a(x)) @ self.weight.T + x @ self.alias.T


@odd()
class CalledAndUsed(nn.Module):
    """A layer that is called, and whose weight is used beside the call."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)) * F.linear(x.square(), self.a.weight))


@odd()
class ReadOutTwice(nn.Module):
    """The read-out layer is also applied to another hidden state."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(h) * torch.sigmoid(self.out(torch.tanh(self.b(h))))


@odd((3, 4))
class TokensAndTheirMean(nn.Module):
    """A layer and a norm on tokens, and on the mean of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.out = nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.n(self.a(x))).mean(1) * self.n(self.a(x.mean(1))))
