"""Modules that write to themselves in forward: caches, counters, what is made at the first call."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import DRAWS, odd


@odd((3, 4))
class BiasCache(nn.Module):
    """A positional bias that is read through a cache in eval mode, as vision transformers do."""

    index: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.bias = nn.Linear(4, 5), nn.Linear(5, 3), nn.Parameter(torch.randn(5, 2))
        self.register_buffer("index", torch.tensor([0, 1, 0]), persistent=False)
        self.bias_cache: dict[str, Tensor] = {}

    def cached_bias(self, device: str) -> Tensor:
        """bias[:, index]; in eval mode made once."""
        if self.training:
            return self.bias[:, self.index]
        if device not in self.bias_cache:
            self.bias_cache[device] = self.bias[:, self.index]
        return self.bias_cache[device]

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x) + self.cached_bias(str(x.device)).T
        return self.out(torch.tanh(h).mean(1))


@odd()
class WeightMadeOnce(nn.Module):
    """An effective weight that is made at the first call and kept on self."""

    effective: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.a, self.raw, self.effective = nn.Linear(4, 5), nn.Parameter(torch.randn(3, 5)), None

    def forward(self, x: Tensor) -> Tensor:
        if self.effective is None:
            self.effective = torch.tanh(self.raw) / 5
        return torch.tanh(self.a(x)) @ self.effective.T


@odd()
class LastActivations(nn.Module):
    """Activations, in the graph, that are left on self after each call."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)
        self.log: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.last = torch.tanh(self.a(x))
        self.log.append(self.last)
        return self.out(self.last)


@odd()
class LazyConstant(nn.Module):
    """A table that is made at the first call."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "table"):
            self.table = torch.linspace(0.5, 1.5, 5, dtype=x.dtype, device=x.device)
        return self.out(torch.tanh(self.a(x)) * self.table)


@odd()
class LazyBuffer(nn.Module):
    """A buffer that is registered at the first call."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        if "table" not in self._buffers:
            self.register_buffer("table", torch.linspace(0.5, 1.5, 5, dtype=x.dtype, device=x.device))
        return self.out(torch.tanh(self.a(x)) * self.table)


@odd(refused="(?i)uninitiali[sz]ed|dry run")
def LazyLinear() -> nn.Module:
    """A layer whose weight has no shape before the first call."""
    return nn.Sequential(nn.LazyLinear(5), nn.Tanh(), nn.Linear(5, 3))


@odd()
class Counters(nn.Module):
    """A number and a buffer that count calls, and change nothing else."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.calls = nn.Linear(4, 5), nn.Linear(5, 3), 0
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen += len(x)
        return self.out(torch.tanh(self.a(x)))


@odd()
class CounterThatMatters(nn.Module):
    """The first call differs from the second: a kernel is of the net as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.calls = nn.Linear(4, 5), nn.Linear(5, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.out(torch.tanh(self.a(x) / self.calls))


@odd()
class BufferThatMatters(nn.Module):
    """A scale in a buffer, replaced after each use."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)
        self.register_buffer("scale", torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x)) * self.scale
        self.scale = self.scale + h.detach().square().mean(0)
        return self.out(h)


@odd(may_refuse={"any": f"(?i)call to call|{DRAWS}"})
class StateOfAnotherObject(nn.Module):
    """What is written lies in a plain object that the module holds."""

    class Memory:
        """Remembers how often it was asked."""

        asked = 0

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.memory = nn.Linear(4, 5), nn.Linear(5, 3), self.Memory()

    def forward(self, x: Tensor) -> Tensor:
        self.memory.asked += 1
        return self.out(torch.tanh(self.a(x) / self.memory.asked))
