"""Parameters outside the tree of modules: no other values can be put in their places, so that they must be refused."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.odd_modules.base import UNREACHABLE, odd


@odd(refused=UNREACHABLE, moves=False)
class ParametersInAList(nn.Module):
    """Parameters in a plain Python list."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.weights = nn.Linear(4, 5), [nn.Parameter(torch.randn(5, 3, dtype=torch.float64))]

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.a(x)) @ self.weights[0].to(x.dtype)


@odd(refused=UNREACHABLE, moves=False)
class LayersInAList(nn.Module):
    """Layers in a plain Python list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.out = [nn.Linear(4, 5).double()], nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.layers[0](x.double())).to(x.dtype))


@odd(refused=UNREACHABLE, moves=False)
class ParameterInAClosure(nn.Module):
    """A parameter that only a function holds."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(4, 3)
        w = nn.Parameter(torch.randn(4, dtype=torch.float64))
        self.scaled = lambda x: x * w.to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.scaled(x)))


@odd(refused=UNREACHABLE, moves=False)
class ParameterOfAnotherNet(nn.Module):
    """A layer of another net, hidden from this one's parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.hidden = nn.Linear(5, 3), (nn.Linear(4, 5).double(),)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden[0](x.double())).to(x.dtype))


@odd(moves=False)
class FrozenLayersInAList(nn.Module):
    """Layers in a list that require no gradient: constants, and no matter."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.out = [nn.Linear(4, 5).double().requires_grad_(False)], nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.layers[0](x.double())).to(x.dtype))


@odd()
class SharedParameterInAList(nn.Module):
    """A list of layers that the tree of modules holds too."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 4), nn.Linear(4, 3)
        self.order: list[Callable[[Tensor], Tensor]] = [self.a, torch.tanh, self.a, self.out]

    def forward(self, x: Tensor) -> Tensor:
        for step in self.order:
            x = step(x)
        return x
