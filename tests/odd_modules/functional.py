"""Weights in functions, in attention and in tables, where no layer's call uses them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, odd


@odd()
class NeverCalled(nn.Module):
    """Layers that only hold weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(F.linear(x, self.a.weight, self.a.bias)), self.out.weight, self.out.bias)


@odd()
class CalledWithOtherWeights(nn.Module):
    """A net called by functional_call with weights that are near its own, to which gradients flow."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        self.shifts = nn.ParameterList(0.3 * torch.randn_like(p) for p in self.net.parameters())

    def forward(self, x: Tensor) -> Tensor:
        shifted = {name: p + d**2 for (name, p), d in zip(self.net.named_parameters(), self.shifts, strict=True)}
        return torch.func.functional_call(self.net, shifted, (x,))


class SwitchedLinear(nn.Linear):
    """A linear layer, the first two of whose units are switched off."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * (torch.arange(self.in_features, device=x.device) > 1), self.bias)


@odd()
def SwitchedReadout() -> nn.Module:
    """A read-out that changes its weight in forward."""
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), SwitchedLinear(5, 3))


@odd((2, 4, 4))
class FunctionalConvolution(nn.Module):
    """A convolution's weight at another stride and dilation than its module's."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.out = nn.Conv2d(2, 3, 3), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(F.conv2d(x, self.c.weight, None, stride=2, padding=1)).flatten(1))


@odd()
class RowsOfTheWeightPermuted(nn.Module):
    """A weight whose rows and columns are taken in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(F.linear(x, self.a.weight[[4, 2, 0, 1, 3]][:, [1, 0, 3, 2]], self.a.bias)))


@odd()
class Closure(nn.Module):
    """A function made in the constructor that holds a layer of the module."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)
        layer = self.a
        self.features = lambda x: torch.tanh(layer(x)) * layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x))


@odd((4, 4))
class RelativePositions(nn.Module):
    """Attention with a table of biases indexed by the distance of tokens."""

    index: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.table = nn.Linear(4, 12), nn.Linear(4, 3), nn.Parameter(torch.randn(7))
        places = torch.arange(4)
        self.register_buffer("index", places[:, None] - places + 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        attention = (q @ k.transpose(1, 2) / 2 + self.table[self.index]).softmax(-1)
        return self.out((attention @ v).mean(1))


@odd((4, 4))
class RelativePositionsByEmbedding(nn.Module):
    """The table is an Embedding that is called on indices, never on a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.table = nn.Linear(4, 4), nn.Linear(4, 3), nn.Embedding(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x) + self.table(torch.arange(4, device=x.device))).mean(1))


@odd()
class BilinearForm(nn.Module):
    """nn.Bilinear of two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 3), nn.Linear(4, 3), nn.Bilinear(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)), self.b(x))


@odd(rows=lambda x: (x * 3).round(), may_refuse=NO_FORWARD_MODE)
class Tokens(nn.Module):
    """Embeddings, with a padding row and as a bag, of tokens that come as floats."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.bag = nn.Embedding(5, 4, padding_idx=0), nn.EmbeddingBag(5, 4, mode="mean")
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.abs().long() % 5
        return self.out(torch.tanh(self.word(tokens).sum(1) + self.bag(tokens)))


@odd(rows=lambda x: (x * 3).round(), may_refuse=NO_FORWARD_MODE)
class SparseGradients(Tokens):
    """Embeddings whose gradients are sparse tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.word.sparse = self.bag.sparse = True


@odd(rows=lambda x: (x * 3).round())
class LookupTable(nn.Module):
    """The outputs are a row of an Embedding: most samples share nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x[:, 0].abs().long() % 5)
