"""The coordinate check: how far each layer's activations move in a step, at several widths."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor, nn

from hpnets.options import OptimOptions
from hpnets.statistics import log_slope
from hpnets.training.lit import make_optimizer

Activations = dict[str, Tensor]


@dataclass(frozen=True)
class CoordinateCheck:
    """The result of a coordinate check.

    changes: changes[layer][i] is the root mean square of h_t - h_{t-1} at widths[i], the mean over steps and seeds;
    the layer "f" is the net's output.
    """

    widths: tuple[int, ...]
    changes: dict[str, list[float]]

    @property
    def slopes(self) -> dict[str, float]:
        """d log(change) / d log(width) of each layer, by least squares; 0 if steps move it equally far at any width."""
        return {name: log_slope(self.widths, values) for name, values in self.changes.items()}


def coordinate_check(
    build: Callable[[int], nn.Module],
    x: Tensor,
    loss: Callable[[Tensor], Tensor],
    optim: OptimOptions,
    widths: Sequence[int] = (64, 128, 256, 512, 1024),
    steps: int = 3,
    seeds: Iterable[int] = (0,),
) -> CoordinateCheck:
    """Train build(width) on the one batch x, and measure after each step how far each layer's output has moved.

    loss: a function of the network's output. The layers are the linear ones and the convolutions, by name; layers that
    do not move, or that not every network has, are left out: `widths` may be any sizes, as depths are. Under a
    maximal-update parametrisation every change is O(1) in width. If a change grows with width, a wide network diverges
    at the learning rate of a narrow one; if it shrinks, a wide one does not learn features.

    Source: Yang et al. 2022, "Tensor Programs V" (arXiv 2203.03466), appendix D.1.
    """
    changes: dict[str, list[float]] = defaultdict(list)
    for width in widths:
        runs = [_changes(_seeded(build, width, seed), x, loss, optim, steps) for seed in seeds]
        for name in runs[0]:
            changes[name].append(mean(run[name] for run in runs))
    everywhere = {name: values for name, values in changes.items() if len(values) == len(widths) and min(values) > 0}
    return CoordinateCheck(tuple(widths), everywhere)


def _seeded(build: Callable[[int], nn.Module], width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(width).train()


def _changes(
    net: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], optim: OptimOptions, steps: int
) -> dict[str, float]:
    """The root mean square change of each layer's output in a step, the mean over the steps."""
    optimizer, moved = make_optimizer(net, optim), defaultdict(list)
    before = activations(net, x)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(before["f"]).backward()
        optimizer.step()
        after = activations(net, x)
        for name, h in after.items():
            moved[name].append(float((h - before[name]).detach().square().mean().sqrt()))
        before = after
    return {name: mean(values) for name, values in moved.items()}


def activations(net: nn.Module, x: Tensor) -> Activations:
    """The outputs of the linear layers and convolutions of `net` on x, by name, and the net's own as "f"."""
    outputs: Activations = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, args, output: outputs.update({name: output})

    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    handles = [m.register_forward_hook(keep(n)) for n, m in net.named_modules() if isinstance(m, kinds)]
    try:
        y = net(x)
    finally:
        for handle in handles:
            handle.remove()
    return {**outputs, "f": y}
