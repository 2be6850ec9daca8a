"""Gradients that are cut, replaced or watched inside the network."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, odd


@odd(may_refuse=NO_FORWARD_MODE)
class NoGradInside(nn.Module):
    """A factor under no_grad, which reverse mode takes for a constant and forward mode does not."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            scale = self.a(x).square().mean(1, keepdim=True)
        return self.out(torch.tanh(self.a(x) + self.b(x)) * scale)


@odd(may_refuse=NO_FORWARD_MODE)
class NoGradLayer(nn.Module):
    """A frozen trunk: its forward is decorated with no_grad, its parameters say that they require gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.out = nn.Sequential(nn.Linear(4, 5), nn.Tanh()), nn.Linear(5, 3)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """The trunk's outputs, as constants."""
        return self.trunk(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x))


@odd()
class GradModeInside(nn.Module):
    """A block that asks for gradients itself, whatever the caller's mode."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            h = torch.tanh(self.a(x))
        return self.out(h)


@odd()
class Detached(nn.Module):
    """One factor of a product is detached."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.a(x) * torch.sigmoid(self.b(x) + self.a(x).detach()))


@odd()
class StraightThrough(nn.Module):
    """Rounded values with the gradients of those that were not."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(h + ((4 * h).round() / 4 - h).detach())


@odd()
def ScaledByAHook() -> nn.Module:
    """A user's hooks change a layer's input and its output."""
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    net[0].register_forward_hook(lambda module, args, output: output * output.sigmoid())
    net[2].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    return net


@odd(may_refuse=NO_FORWARD_MODE)
def WatchedByABackwardHook() -> nn.Module:
    """A user's full backward hook, which wraps the layer's output."""
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    net[0].register_full_backward_hook(lambda module, inputs, outputs: None)
    return net
