"""Many copies of one small network, each with its own seed and data, trained at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

Params = dict[str, Tensor]
Make = Callable[[], nn.Module]
FAR = torch.logspace(3, 4, 8, dtype=torch.float64)


@dataclass
class Ensemble:
    """M networks of one architecture; `params` name to (M, ...)."""

    net: nn.Module
    params: Params

    def __call__(self, x: Tensor, params: Params | None = None) -> Tensor:
        """Outputs (M, n, O) at x (M, n, ...), each member its own."""
        theta = self.params if params is None else params
        return vmap(lambda p, x_m: functional_call(self.net, p, (x_m,)))(theta, x)

    def double(self) -> "Ensemble":
        """The same in float64."""
        return Ensemble(self.net, {name: p.double() for name, p in self.params.items()})


def relative_error(f: Tensor, y: Tensor) -> Tensor:
    """RMSE over the standard deviation of y, (M,), of f and y (M, n, O): 1 is what the best constant has."""
    variance = (y - y.mean(1, keepdim=True)).square().flatten(1).mean(1)
    return ((f - y).square().flatten(1).mean(1) / variance).sqrt()


def far_degree(ensemble: Ensemble, dim: int, device: str, directions: int = 8) -> Tensor:
    """Least-squares slope of log |f(t v)| on log t, t in [1e3, 1e4], mean over random v in R^dim, (M,), in float64."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(directions, dim, generator=generator, dtype=torch.float64)
    v, t = (v / v.norm(dim=1, keepdim=True)).to(device), FAR.to(device)
    net, members = ensemble.double(), len(next(iter(ensemble.params.values())))
    x = (t[:, None, None] * v).flatten(0, 1)
    log_f = net(x.expand(members, -1, -1)).norm(dim=2).log().view(members, len(t), directions)
    log_t = t.log() - t.log().mean()
    # A product of ReLU features is 0 in a direction where no unit has all of its N features active: no degree there.
    return torch.einsum("t,mtd->md", log_t, log_f).nanmean(1) / log_t.square().sum()


def make_ensemble(make: Make, seeds: Sequence[int], device: str) -> Ensemble:
    """One member a seed, drawn on the CPU so that a GPU starts from the same weights."""
    nets = []
    for seed in seeds:
        torch.manual_seed(seed)
        nets.append(make())
    params, _ = stack_module_state(nets)
    return Ensemble(nets[0].to("meta"), {name: p.detach().to(device) for name, p in params.items()})


def fit(
    ensemble: Ensemble,
    x: Tensor,
    y: Tensor,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
    batch: int | None = None,
    constant_lr: bool = False,
    seed: int = 0,
) -> Tensor:
    """Train every member by Adam on its mean squared error; the last loss of each, (M,).

    x: (M, n, ...), y: (M, n, O); the step size falls from lr to 0 as a half cosine unless constant_lr. Batches of
    `batch` rows (None: all) are drawn anew each step, the same rows for all members. Adam works element by element,
    so that the members do not disturb each other, not even one that diverges.
    """
    leaves = {name: p.clone().requires_grad_() for name, p in ensemble.params.items()}
    optimizer = torch.optim.Adam(leaves.values(), lr, weight_decay=weight_decay, fused=True)
    generator = torch.Generator().manual_seed(seed)
    losses = torch.empty(len(x))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr if constant_lr else lr * (1 + math.cos(math.pi * step / steps)) / 2
        rows = slice(None) if batch is None else torch.randint(x.shape[1], (batch,), generator=generator).to(x.device)
        losses = (ensemble(x[:, rows], leaves) - y[:, rows]).square().flatten(1).mean(1)
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    ensemble.params = {name: p.detach() for name, p in leaves.items()}
    return losses.detach()


def fit_in_units(
    ensemble: Ensemble, x: Tensor, y: Tensor, centred: bool = True, **options: Any
) -> Callable[[Tensor], Tensor]:
    """Fit every member to (y - mean) / standard deviation of its own y (M, n, O); what then predicts y itself.

    centred: subtract the mean, which a network that is 0 at 0 could not learn. options: those of `fit`.
    """
    mean, std = y.mean(1, keepdim=True), y.std(1, keepdim=True)
    mean = mean if centred else torch.zeros_like(mean)
    fit(ensemble, x, (y - mean) / std, **options)
    return lambda points: ensemble(points) * std + mean
