"""Cells of the study: one network of one width and seed each."""

import math
from typing import Any

import torch
from torch import Tensor

from hpnets.papers.ntk_convergence.sizes import Sizes
from hpnets.papers.parts.components import along_components
from hpnets.papers.parts.data import task_parts
from hpnets.papers.parts.descent import descend
from hpnets.papers.parts.jacot import JacotNet
from hpnets.papers.parts.wide import beside_limit, limit_process, trained
from hpnets.study import Cell, grid

Measured = dict[str, Any]
ANGLES = 60
# The four points of the regression, as angles on the circle, and their targets.
FOUR, FOUR_TARGETS = (0.3, 1.9, 3.4, 5.0), (0.5, -0.3, 0.4, -0.6)


def cells(sizes: Sizes) -> list[Cell]:
    """The cells."""
    seeds, draws = tuple(range(sizes.seeds)), tuple(range(sizes.digit_seeds))
    training, digits = {"points": sizes.points, "steps": sizes.steps}, {"seed": draws, "samples": sizes.samples}
    made = grid(initial_kernel, width=sizes.init_widths, seed=tuple(range(sizes.init_seeds)))
    made += grid(trained_kernel, width=sizes.widths, seed=seeds, **training)
    made += grid(four_points, width=sizes.four_widths, seed=tuple(range(sizes.four_seeds)), steps=sizes.four_steps)
    made += grid(four_limit, steps=sizes.four_steps)
    made += grid(components, width=sizes.digit_widths, chosen=[2], times=[0.25, 0.5, 1.0, 2.0], **digits)
    return made + grid(components, width=sizes.digit_widths, chosen=[*sizes.chosen], times=[0.25, 0.5, 1.0], **digits)


def on_circle(angles: Tensor) -> Tensor:
    """(cos a, sin a) for each angle a."""
    return torch.stack([angles.cos(), angles.sin()], 1)


def circle(device: str) -> Tensor:
    """The points of ANGLES angles from -pi to pi; the middle one is (1, 0)."""
    return on_circle(torch.linspace(-math.pi, math.pi, ANGLES + 1, device=device))


def make_net(inputs: int, width: int, seed: int, device: str) -> JacotNet:
    """The network, drawn on the CPU."""
    torch.manual_seed(seed)
    return JacotNet(inputs, width).to(device)


def initial_kernel(width: int, seed: int, device: str) -> Measured:
    """The kernel K((1, 0), .) on the circle at initialisation, and its relative distance to the limit."""
    return beside_limit(make_net(2, width, seed, device), torch.tensor([[1.0, 0.0]], device=device), circle(device))


def trained_kernel(width: int, seed: int, points: int, steps: int, device: str) -> Measured:
    """Train on f* = x1 x2 at N(0, 1) points with lr 1; see `trained`, with K((1, 0), .) on the circle."""
    x = torch.randn(points, 2, generator=torch.Generator().manual_seed(seed)).to(device)
    net, x0 = make_net(2, width, seed, device), torch.tensor([[1.0, 0.0]], device=device)
    return trained(net, x, x[:, :1] * x[:, 1:], x0, circle(device), 1.0, steps)


def four(device: str) -> tuple[Tensor, Tensor]:
    """The four points and their targets."""
    return on_circle(torch.tensor(FOUR, device=device)), torch.tensor(FOUR_TARGETS, device=device)[:, None]


def four_points(width: int, seed: int, steps: int, device: str) -> Measured:
    """f on the circle after `steps` of lr 1 on four points of it."""
    net = make_net(2, width, seed, device)
    descend(net, *four(device), 1.0, steps, set())
    with torch.no_grad():
        return {"f": net(circle(device))[:, 0].tolist()}


def four_limit(steps: int, device: str) -> Measured:
    """Mean and standard deviation of the Gaussian process that f of `four_points` tends to, at the same time."""
    mean, std = limit_process(JacotNet(2, 1), *four(device), circle(device), 1.0, steps)
    return {"mean": mean.tolist(), "std": std.tolist()}


def components(width: int, seed: int, samples: int, chosen: list[int], times: list[float], device: str) -> Measured:
    """Train on digits along the `chosen` principal components of the limit kernel; see `along_components`."""
    x = task_parts("digits", seed=0)[0][:samples].flatten(1).to(device)
    return along_components(make_net(x.shape[1], width, seed, device), x, chosen, times)
