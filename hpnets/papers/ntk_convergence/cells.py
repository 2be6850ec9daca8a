"""Cells of the study: one network of one width and seed each."""

import math
from typing import Any

import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.ntk import ntk
from hpnets.papers.descent import descend
from hpnets.papers.ntk_convergence.jacot import JacotNet
from hpnets.papers.ntk_convergence.sizes import Sizes
from hpnets.study import Cell, grid
from hpnets.tasks import create_task
from hpnets.theory import limit_kernel

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


def circle(device: str) -> Tensor:
    """(cos a, sin a) for ANGLES angles from -pi to pi; the middle one is (1, 0)."""
    a = torch.linspace(-math.pi, math.pi, ANGLES + 1, device=device)
    return torch.stack([a.cos(), a.sin()], 1)


def make_net(inputs: int, width: int, seed: int, device: str) -> JacotNet:
    """The network, drawn on the CPU."""
    torch.manual_seed(seed)
    return JacotNet(inputs, width).to(device)


def relative(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|."""
    return float((a.double() - b.double()).norm() / b.double().norm())


def initial_kernel(width: int, seed: int, device: str) -> Measured:
    """The kernel K((1, 0), .) on the circle at initialisation, and its relative distance to the limit."""
    x, x0 = circle(device), torch.tensor([[1.0, 0.0]], device=device)
    net = make_net(2, width, seed, device)
    row = ntk(net, x0, x, outputs="trace")[0]
    limit = limit_kernel(net, x0, x).ntk[0]
    return {"row": row.tolist(), "limit": limit.tolist(), "error": relative(row, limit)}


def trained_kernel(width: int, seed: int, points: int, steps: int, device: str) -> Measured:
    """Train on f* = x1 x2 at N(0, 1) points with lr 1: how the kernel moved, and how far kernel predictions are off.

    "move": |K_T - K_0| / |K_0| of the row K((1, 0), .); "inflation": mean K_T / mean K_0; "finite", "limit": distance
    on the circle between the trained network and the prediction with its own kernel K_0, or with the limit kernel,
    relative to how far the network went from where it started.
    """
    x = torch.randn(points, 2, generator=torch.Generator().manual_seed(seed)).to(device)
    y, z, x0 = x[:, :1] * x[:, 1:], circle(device), torch.tensor([[1.0, 0.0]], device=device)
    net = make_net(2, width, seed, device)
    with torch.no_grad():
        start, start_z = net(x), net(z)
    row = ntk(net, x0, z, outputs="trace")
    kernels = {
        "finite": (ntk(net, x, outputs="trace"), ntk(net, z, x, outputs="trace")),
        "limit": (limit_kernel(net, x).ntk, limit_kernel(net, z, x).ntk),
    }
    descend(net, x, y, 1.0, steps, set())
    moved = ntk(net, x0, z, outputs="trace")
    with torch.no_grad():
        end_z = net(z)
    made = {"move": relative(moved, row), "inflation": float(moved.mean() / row.mean())}
    for name, (K, cross) in kernels.items():
        predictor = KernelPredictor(K, y, start)
        f = predictor.test(predictor.descent(steps, 1.0), cross, start_z)
        made[name] = float((end_z - f).norm() / (end_z - start_z).norm())
    return made | {"before": row[0].tolist(), "after": moved[0].tolist()}


def four_points(width: int, seed: int, steps: int, device: str) -> Measured:
    """f on the circle after `steps` of lr 1 on four points of it."""
    x, y = four(device)
    net = make_net(2, width, seed, device)
    descend(net, x, y, 1.0, steps, set())
    with torch.no_grad():
        return {"f": net(circle(device))[:, 0].tolist()}


def four(device: str) -> tuple[Tensor, Tensor]:
    a = torch.tensor(FOUR, device=device)
    return torch.stack([a.cos(), a.sin()], 1), torch.tensor(FOUR_TARGETS, device=device)[:, None]


def four_limit(steps: int, device: str) -> Measured:
    """Mean and standard deviation of the Gaussian process that f of `four_points` tends to, at the same time.

    f_t(z) = f0(z) + A (y - f0(X)), A = K(z, X) K(X, X)^-1 (1 - (1 - lr K / N)^t): mean A y, covariance that of
    f0(z) - A f0(X).
    """
    (x, y), z, net = four(device), circle(device), JacotNet(2, 1)
    K, S = limit_kernel(net, x).ntk, limit_kernel(net, x).covariance
    cross, own = limit_kernel(net, z, x), limit_kernel(net, z).covariance
    coefficients = KernelPredictor(K, torch.eye(len(x), dtype=torch.float64, device=device)).descent(steps, 1.0).values
    A = cross.ntk @ coefficients
    covariance = own - A @ cross.covariance.T - cross.covariance @ A.T + A @ S @ A.T
    return {"mean": (A @ y.double())[:, 0].tolist(), "std": covariance.diagonal().clamp_min(0).sqrt().tolist()}


def components(width: int, seed: int, samples: int, chosen: list[int], times: list[float], device: str) -> Measured:
    """Train on digits towards f0 + 1/2 f(c), c the `chosen` principal components of the limit kernel (from 1).

    f(c) is of mean square 1, l_c the eigenvalue of K / N. With lr = 1 / (4 l_1), at the times t / l_c, c the last one
    chosen: "times" in units of 1 / l_c, "left": what is left of each component, of 1/2; "predicted": the same of a
    fixed kernel, (1 - lr l)^steps / 2; "h": the root mean square of f - f0 outside the span of the chosen.
    """
    task = create_task("digits", seed=0)
    task.setup()
    x = task.train_set.batch(range(samples))[0].flatten(1).to(device)
    net = make_net(x.shape[1], width, seed, device)
    l, v = torch.linalg.eigh(limit_kernel(net, x).ntk / samples)
    l, v = l.flip(0), v.flip(1) * samples**0.5
    basis, rates = v[:, [c - 1 for c in chosen]], l[[c - 1 for c in chosen]]
    with torch.no_grad():
        start = net(x).double()
    lr = float(1 / (4 * l[0]))
    at = [round(t / float(rates[-1]) / lr) for t in times]
    y = (start + basis.sum(1, keepdim=True) / 2).float()
    seen = descend(net, x, y, lr, at[-1], set(at))
    left, h = [], []
    for step in at:
        moved = seen[step].double() - start
        along = basis.T @ moved / samples
        left.append((0.5 - along[:, 0]).tolist())
        h.append(float((moved - basis @ along).square().mean().sqrt()))
    predicted = [((1 - lr * rates) ** step / 2).tolist() for step in at]
    shown = [step * lr * float(rates[-1]) for step in at]
    return {"times": shown, "left": left, "predicted": predicted, "h": h, "eigenvalues": l[:10].tolist()}
