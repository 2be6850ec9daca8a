"""A random network: steps in a row, some of them called again, with skip connections, and a read-out."""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.random_networks.step import MAKERS, Choose, Shape, Step, chooser

INPUTS: list[Shape] = [(6,), (3, 4), (4, 4), (2, 4, 4), (3, 5, 4)]
OUTPUTS = 3
MOST_STEPS, MOST_FEATURES = 6, 150
# Features that exceed LARGE are scaled to it, or powers of products overflow.
LARGE = 30.0


class Link(nn.Module):
    """One place in the row: a step's call, what it is added to or multiplied with, and the scale of the result.

    step: may have other links as well. other: the index of the features before, or None.
    """

    def __init__(self, step: Step, other: int | None, product: bool) -> None:
        super().__init__()
        self.step, self.other, self.product, self.scale = step, other, product, 1.0

    def forward(self, seen: list[Tensor]) -> Tensor:
        y = self.step(seen[-1])
        if self.other is not None:
            y = y * seen[self.other] if self.product else y + seen[self.other]
        return y * self.scale

    def __repr__(self) -> str:
        other = "" if self.other is None else f" {'*' if self.product else '+'} [{self.other}]"
        return f"{self.step.label}{other}"


class RandomNetwork(nn.Module):
    """Maps (N, *shape) to (N, OUTPUTS)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, self.links, self.pooled = shape, nn.ModuleList(), False

    def features(self, x: Tensor) -> list[Tensor]:
        """The samples, and the features after each link."""
        seen = [x]
        for link in self.links:
            seen.append(link(seen))
        return seen

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self._read(self.features(x)[-1]))

    def _read(self, h: Tensor) -> Tensor:
        return h.flatten(1, -2).mean(1) if self.pooled and h.ndim > 2 else h.flatten(1)

    def add(self, choose: Choose, x: Tensor) -> None:
        """Add a link that fits, if the choice gives one."""
        seen = self.features(x)
        again = [i for i in range(len(self.links)) if seen[i].shape == seen[-1].shape]
        i = choose([None, *again])
        step = choose(MAKERS[seen[-1].ndim])(choose, tuple(seen[-1].shape)) if i is None else self.links[i].step
        if step is None:
            return
        step.double().eval()
        y = step(seen[-1])
        if y.numel() > MOST_FEATURES * len(x) or not y.isfinite().all():
            return
        others = [i for i, h in enumerate(seen) if h.shape == y.shape]
        link = Link(step, choose([None, *others]), choose([False, True]))
        link.scale = min(1.0, LARGE / float(link(seen).abs().max().clamp_min(1e-9)))
        self.links.append(link)

    def finish(self, choose: Choose, x: Tensor) -> None:
        """Add the read-out."""
        self.pooled = choose([False, True])
        self.out = nn.Linear(self._read(self.features(x)[-1]).shape[1], OUTPUTS, bias=choose([True, False])).double()

    def __repr__(self) -> str:
        steps = ", ".join(map(repr, self.links))
        return f"RandomNetwork of {self.shape}: {steps}{', mean' if self.pooled else ''}"


@st.composite
def networks(draw: Callable[[st.SearchStrategy[Any]], Any]) -> RandomNetwork:
    """Networks in eval mode, in float64, with finite features."""
    choose = chooser(draw)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        net = RandomNetwork(choose(INPUTS))
        x = torch.randn(4, *net.shape, dtype=torch.float64)
        for _ in range(choose(range(1, MOST_STEPS + 1))):
            net.add(choose, x)
        net.finish(choose, x)
        own = list(net.parameters())
        frozen = choose([None, *range(len(own) - 1)])
        if frozen is not None:
            own[frozen].requires_grad_(False)
    return net.eval()
