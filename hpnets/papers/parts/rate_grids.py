"""Training at many learning rates at once, each with several seeds, under a parametrisation's own rates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hpnets.models import parameter_groups
from hpnets.optimisers import EPSILON
from hpnets.papers.parts.ensembles import Ensemble, Params, make_ensemble

BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Factor:
    """What a parametrisation makes of one parameter's rate, and of Adam's epsilon."""

    rate: float
    epsilon: float


def factors(net: nn.Module, optimizer: str) -> dict[str, Factor]:
    """The factors of each parameter by name, as `parameter_groups` gives them."""
    names = {id(p): name for name, p in net.named_parameters()}
    groups = parameter_groups(net, optimizer, 1.0)
    return {names[id(p)]: Factor(g["lr"], g.get("eps", EPSILON)) for g in groups for p in g["params"]}


def train_at_rates(
    make: Callable[[], nn.Module],
    x: Tensor,
    y: Tensor,
    rates: Sequence[float],
    seeds: Sequence[int],
    steps: int,
    batch: int,
    optimizer: str = "sgd",
) -> Tensor:
    """The cross-entropy (rates, seeds), mean over the last tenth of the steps, infinite for what diverged.

    x: (n, ...), y: (n,) labels. Networks of one seed start alike and see the same batches at every rate.
    """
    rule = factors(make(), optimizer)
    of_seed = make_ensemble(make, seeds, str(x.device))
    params = {name: p.repeat(len(rates), *[1] * (p.ndim - 1)) for name, p in of_seed.params.items()}
    ensemble, lr = Ensemble(of_seed.net, params), torch.tensor(rates).repeat_interleave(len(seeds)).to(x.device)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    step, late = Stepper(rule, lr, optimizer), []
    for t in range(steps):
        rows = torch.stack([torch.randint(len(x), (batch,), generator=g) for g in generators]).to(x.device)
        losses, gradient = gradients(ensemble, x[rows].repeat(len(rates), *[1] * x.ndim), y[rows].repeat(len(rates), 1))
        if t >= steps - max(1, steps // 10):
            late.append(losses)
        step(ensemble.params, gradient)
    mean = torch.stack(late).mean(0).double().view(len(rates), len(seeds)).cpu()
    return torch.where(mean.isfinite(), mean, torch.inf)


def gradients(ensemble: Ensemble, x: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """The cross-entropy (M,) of each member and its gradients; x: (M, n, ...), y: (M, n)."""
    leaves = {name: p.requires_grad_() for name, p in ensemble.params.items()}
    f = ensemble(x, leaves)
    losses = cross_entropy(f.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)
    made = torch.autograd.grad(losses.sum(), list(leaves.values()))
    return losses.detach(), dict(zip(leaves, made, strict=True))


class Stepper:
    """Steps of "sgd" or "adam", member m at its rate lr[m] times each parameter's factor."""

    def __init__(self, rule: dict[str, Factor], lr: Tensor, optimizer: str) -> None:
        self.rule, self.lr, self.adam, self.t = rule, lr, optimizer == "adam", 0
        self.first: Params = {}
        self.second: Params = {}

    @torch.no_grad()
    def __call__(self, params: Params, gradient: Params) -> None:
        self.t += 1
        for name, p in params.items():
            g, lr = gradient[name], self.rule[name].rate * self.lr.view(-1, *[1] * (p.ndim - 1))
            p -= lr * (self._normalised(name, g) if self.adam else g)

    def _normalised(self, name: str, g: Tensor) -> Tensor:
        """m_hat / (sqrt(v_hat) + epsilon) of Adam."""
        m = self.first.setdefault(name, torch.zeros_like(g)).lerp_(g, 1 - BETAS[0])
        v = self.second.setdefault(name, torch.zeros_like(g)).lerp_(g.square(), 1 - BETAS[1])
        scale = (v / (1 - BETAS[1] ** self.t)).sqrt() + self.rule[name].epsilon
        return m / (1 - BETAS[0] ** self.t) / scale
