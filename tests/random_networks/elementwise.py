"""Nonlinearities, parameters that are broadcast over features, and norms."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.random_networks.step import IMAGE, TOKENS, VECTOR, Choose, Shape, Step, Ways, one_of, step

NONLINEAR = {
    "relu": F.relu,
    "relu in place": lambda h: F.relu_(h + 0.1),
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "sine": torch.sin,
    "gate": lambda h: h * h.sigmoid(),
    "square": lambda h: h + 0.3 * h * h,
    "clamp": lambda h: h.clamp(-1, 1.5),
    "softmax": lambda h: h.softmax(-1),
}
# Functions of features and two parameters of one shape.
BROADCAST = {
    "product": lambda h, p, q: h * p,
    "product in place": lambda h, p, q: h.clone().mul_(p),
    "product, expanded": lambda h, p, q: p.expand(h.shape) * h,
    "product and sum": lambda h, p, q: h * (1 + p) + q,
    "sum": lambda h, p, q: h + p,
    "sum in place": lambda h, p, q: h.clone().add_(p, alpha=2),
    "sum, repeated": lambda h, p, q: h + p.expand(h.shape[1:]).repeat(len(h), *[1] * (h.ndim - 1)),
    "difference": lambda h, p, q: p - h,
    "ratio": lambda h, p, q: h / (F.softplus(p) + 0.5),
    "power": lambda h, p, q: (h.abs() + 0.1) ** (1 + 0.3 * p),
    "exponential": lambda h, p, q: h * p.exp(),
    "where": lambda h, p, q: torch.where(h > 0, h, p),
    "maximum": lambda h, p, q: torch.maximum(h, p),
    "interpolated": lambda h, p, q: torch.lerp(h, q.expand_as(h), p.sigmoid().expand_as(h)),
    "addcmul": lambda h, p, q: torch.addcmul(h, h, p, value=0.5),
    "slope": lambda h, p, q: torch.tanh(p * h) * q,
    "swish": lambda h, p, q: h * torch.sigmoid(p * h),
    "used twice": lambda h, p, q: torch.tanh(h * p + p),
    "clamped": lambda h, p, q: torch.clamp(h, -p.abs() - 0.2, q.abs() + 0.3),
    "atan2": lambda h, p, q: torch.atan2(h, p.abs() + 1),
}


@step(VECTOR, TOKENS, IMAGE)
def nonlinearity(choose: Choose, shape: Shape) -> Step:
    """A function without parameters, or PReLU."""
    name = choose([*NONLINEAR, "PReLU"])
    if name == "PReLU":
        return Step(name, lambda h, prelu: prelu(h), modules=[nn.PReLU(choose([1, shape[1]]))])
    return Step(name, NONLINEAR[name])


@step(VECTOR, TOKENS, IMAGE)
def broadcast(choose: Choose, shape: Shape) -> Step:
    """A function of features and parameters that are repeated along some of the axes."""
    full = [choose([size, 1]) for size in shape[1:]]
    own = tuple(full[choose(range(len(full) + 1)) :])
    name = choose(list(BROADCAST))
    return Step(f"{name} {own}", BROADCAST[name], own, own)


def _batch_norm(shape: Shape) -> nn.Module:
    kind = nn.BatchNorm2d if len(shape) == IMAGE else nn.BatchNorm1d
    norm = kind(shape[1])
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


@step(VECTOR, TOKENS, IMAGE)
def norm(choose: Choose, shape: Shape) -> Step | None:
    """A norm, as a module or by hand; none of a sample of one number, whose group would hold nothing else."""
    C, D, numel = shape[1], shape[-1], math.prod(shape[1:])
    if numel == 1:
        return None
    groups = choose([g for g in (1, 2, C) if C % g == 0 and numel > g])
    modules: dict[str, Callable[[], nn.Module]] = {
        "LayerNorm": lambda: nn.LayerNorm(D),
        "LayerNorm of all": lambda: nn.LayerNorm(list(shape[1:])),
        "RMSNorm": lambda: nn.RMSNorm(D),
        "GroupNorm": lambda: nn.GroupNorm(groups, C),
        "BatchNorm": lambda: _batch_norm(shape),
    }

    def by_hand(h: Tensor, g: Tensor) -> Tensor:
        return h * (h.square().mean(-1, keepdim=True) + 0.1).rsqrt() * g

    others: Ways = {
        "layer_norm": ([(D,), (D,)], lambda h, g, b: F.layer_norm(h, (D,), 1 + g, 2 * b)),
        "by hand": ([(D,)], by_hand),
        "of length 1": ([(D,), ()], lambda h, b, g: F.normalize(h + b, dim=-1) * g),
    }
    name = choose([*modules, None])
    if name is None:
        return one_of(choose, "norm", others)
    return Step(name, lambda h, norm: norm(h), modules=[modules[name]()])
