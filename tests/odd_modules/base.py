"""How an odd module is registered: its constructor, its samples, and what of it may be refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from tests.device import DEVICE

Make = TypeVar("Make", bound=Callable[[], nn.Module])

# Rows of `samples`: the first are x1, the others x2.
FIRST, OTHERS = 5, 3

# What the engine says of whole classes of modules, as patterns for `refused`.
COUPLES = "couples samples"
DRAWS = "draws at random"
UNREACHABLE = "(?i)reach"
# For `may_refuse`: what needs a jvp of the net, under vmap.
NO_FORWARD_MODE = {"ntkvp": "ntkvp|forward mode", "operator": "forward mode|matrix-free"}


def unchanged(x: Tensor) -> Tensor:
    """The samples as they were drawn."""
    return x


@dataclass(frozen=True)
class OddModule:
    """One oddity.

    make: the constructor. shape: of one sample. rows: makes samples of drawn ones. train: the mode that it is used in.
    refused: a pattern of the ValueError that any kernel of it raises; None means that the kernel must be exact.
    may_refuse: patterns of the ValueError by algorithms that need not be able to ("operator": the matrix-free ones,
        "params": any at other parameters, "any": any); where they do not refuse, they must be exact.
    wrong_guess: a parameter of which a look at x[0] and x[1] gives a wrong idea.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rows: Callable[[Tensor], Tensor] = unchanged
    train: bool = False
    refused: str | None = None
    may_refuse: dict[str, str] = field(default_factory=dict)
    wrong_guess: str | None = None

    def net(self, dtype: torch.dtype = torch.float64, device: str = DEVICE) -> nn.Module:
        """A fresh copy, always of the same weights."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = self.make()
        return net.to(device, dtype).train(self.train)

    def refuses(self, algorithm: str, error: ValueError) -> bool:
        """Whether the module allows this refusal by the algorithm."""
        allowed = self.refused, self.may_refuse.get(algorithm), self.may_refuse.get("any")
        return any(pattern is not None and re.search(pattern, str(error)) for pattern in allowed)

    def samples(self, dtype: torch.dtype = torch.float64, device: str = DEVICE) -> Tensor:
        """(FIRST + OTHERS, *shape), always the same."""
        generator = torch.Generator().manual_seed(1)
        x = self.rows(torch.randn(FIRST + OTHERS, *self.shape, dtype=torch.float64, generator=generator))
        return x.to(device, dtype)


ODD_MODULES: dict[str, OddModule] = {}


def odd(
    shape: tuple[int, ...] = (4,),
    *,
    rows: Callable[[Tensor], Tensor] = unchanged,
    train: bool = False,
    refused: str | None = None,
    may_refuse: dict[str, str] | None = None,
    wrong_guess: str | None = None,
    moves: bool = True,
) -> Callable[[Make], Make]:
    """Register a module's class, or a function that makes one, under its own name.

    moves: whether `to` finds all that it computes with; where it does not, the module stays on the CPU.
    """

    def register(make: Make) -> Make:
        name = make.__name__
        assert name not in ODD_MODULES, f"two odd modules are called {name}"
        if moves or DEVICE == "cpu":
            ODD_MODULES[name] = OddModule(make, shape, rows, train, refused, may_refuse or {}, wrong_guess)
        return make

    return register


def blank_first(x: Tensor) -> Tensor:
    """The first sample is zero."""
    return torch.cat([torch.zeros_like(x[:1]), x[1:]])


def closed_first(x: Tensor) -> Tensor:
    """The first feature is negative on the first two samples and positive on every second later one."""
    x = x.clone()
    first = x.flatten(1)[:, 0].abs() + 0.1
    first[:2] *= -1
    first[3::2] *= -1
    x.view(len(x), -1)[:, 0] = first
    return x


def in_order_first(x: Tensor) -> Tensor:
    """The first feature grows from x[0] to x[1] and falls after that."""
    x = x.clone()
    x[:, 0] = torch.linspace(2, -2, len(x), dtype=x.dtype)
    x[:2, 0] = torch.tensor([-4.0, -3.0], dtype=x.dtype)
    return x
