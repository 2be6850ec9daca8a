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
    """changes[layer][i]: root mean square of h_t - h_{t-1} at widths[i], mean over steps and seeds; "f": the net's."""

    widths: tuple[int, ...]
    changes: dict[str, list[float]]

    @property
    def slopes(self) -> dict[str, float]:
        """Per layer d log(change) / d log(width), by least squares: 0 where a step moves it as far at any width."""
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
    """Train build(width) for some steps on the one batch x, and measure the output of each of its layers after each.

    loss: of the network's output. Layers are the linear ones and convolutions, by name; those that do not move are left
    out. Under a maximal-update parametrisation every change is O(1) in width; where it grows, a wide network diverges
    at the learning rate of a narrow one, and where it shrinks, a wide one does not learn features.

    Source: Yang et al. 2022, "Tensor Programs V" (arXiv 2203.03466), appendix D.1.
    """
    changes: dict[str, list[float]] = defaultdict(list)
    for width in widths:
        runs = [_changes(_seeded(build, width, seed), x, loss, optim, steps) for seed in seeds]
        for name in runs[0]:
            changes[name].append(mean(run[name] for run in runs))
    return CoordinateCheck(tuple(widths), {name: values for name, values in changes.items() if min(values) > 0})


def _seeded(build: Callable[[int], nn.Module], width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(width).train()


def _changes(
    net: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], optim: OptimOptions, steps: int
) -> dict[str, float]:
    """Per layer the root mean square change of its output, mean over the steps."""
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
    """The outputs of the linear layers and convolutions of `net` on x, by name, and "f", that of the net."""
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
