"""The rates of parameters as weights D of curvature, and the curvature at which an optimiser becomes unstable."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from hpnets.ntk import Params

Weights = Mapping[str, Tensor | float]


def learning_rate(optimizer: Optimizer) -> float:
    """The rate that the parameters' factors multiply: the optimiser's own, times the factor of the schedule now."""
    group = optimizer.param_groups[0]
    own = float(optimizer.defaults["lr"])
    first = float(group.get("initial_lr", group["lr"]))
    return own * float(group["lr"]) / first if first else 0.0


def rate_weights(params: Params, optimizer: Optimizer) -> dict[str, Tensor | float] | None:
    r"""D by parameter, so that a step is about -lr D g, lr = `learning_rate(optimizer)`.

    SGD: D is the factor of the group's rate, which `parameter_groups` gives. Adam and AdamW: the factor times the
    preconditioner 1 / (sqrt(v_hat) + eps), v_hat the bias-corrected mean of squares, with eps as the optimiser has it;
    None before the first step, when there is no v_hat. params: the network's own parameters by name.

    Raises ValueError for another optimiser, and for a parameter that it does not train.
    """
    check_optimizer(optimizer)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    own, weights = float(optimizer.defaults["lr"]), dict[str, Tensor | float]()
    for name, p in params.items():
        if id(p) not in groups:
            raise ValueError(f"parameter {name!r} is in no group of the optimiser; allowed: those that it trains")
        group = groups[id(p)]
        factor = float(group.get("initial_lr", group["lr"])) / own
        weights[name] = factor
        if isinstance(optimizer, Adam | AdamW):
            state = optimizer.state.get(p, {})
            if "exp_avg_sq" not in state:
                return None
            weights[name] = factor * _preconditioner(group, state)
    return weights


def all_ones(weights: Weights) -> bool:
    """Whether D is the identity, so that D^1/2 H D^1/2 is H; a tensor, which changes at each step, never counts."""
    return all(not isinstance(weight, Tensor) and weight == 1 for weight in weights.values())


def _preconditioner(group: dict[str, Any], state: dict[str, Any]) -> Tensor:
    """1 / (sqrt(v_hat) + eps) of one parameter, as the last step divided by it."""
    mean = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
    corrected = mean / (1 - group["betas"][1] ** float(state["step"]))
    return 1 / (corrected.sqrt() + group["eps"])


def stability_threshold(optimizer: Optimizer) -> float:
    r"""The largest eigenvalue of D^1/2 H D^1/2 at which the optimiser is stable on a quadratic; infinite for lr = 0.

    lr = `learning_rate(optimizer)`, m the momentum, d the dampening, b = beta_1.

    | optimiser | threshold |
    | --- | --- |
    | SGD | 2 / lr |
    | with momentum | 2 (1 + m) / ((1 - d) lr) |
    | with Nesterov's | 2 (1 + m) / ((1 + 2 m) lr) |
    | Adam, AdamW | 2 (1 + b) / ((1 - b) lr), which is 38 / lr for b = 0.9 |

    Decay of weights is left out: SGD's and Adam's adds its constant to the eigenvalues.

    Raises ValueError for another optimiser.

    Source: Cohen et al. 2021 (arXiv 2103.00065), for momentum its appendix B; Cohen et al. 2022 (arXiv 2207.14484) for
    Adam with its preconditioner held fixed.
    """
    check_optimizer(optimizer)
    lr, group = learning_rate(optimizer), optimizer.param_groups[0]
    if lr == 0:
        return float("inf")
    if isinstance(optimizer, Adam | AdamW):
        b = float(group["betas"][0])
        return 2 * (1 + b) / ((1 - b) * lr)
    m, d = float(group["momentum"]), float(group["dampening"])
    if not m:
        return 2 / lr
    return 2 * (1 + m) / ((1 + 2 * m) * lr) if group["nesterov"] else 2 * (1 + m) / ((1 - d) * lr)


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise ValueError for an optimiser whose steps are not known to be -lr D g."""
    if not isinstance(optimizer, SGD | Adam | AdamW):
        raise ValueError(f"the optimiser is a {type(optimizer).__name__}; allowed: SGD, Adam, AdamW")


def root_of(weights: Weights, leaves: Params) -> Tensor:
    """D^1/2 (P,) in the order of `leaves`; ValueError for names, shapes or values that do not fit."""
    if missing := [name for name in leaves if name not in weights]:
        raise ValueError(f"weights lack parameter {missing[0]!r}; allowed: a number or tensor for each parameter")
    return torch.cat(list(_roots(weights, leaves)))


def _roots(weights: Weights, leaves: Params) -> Iterator[Tensor]:
    for name, p in leaves.items():
        weight = torch.as_tensor(weights[name], dtype=p.dtype, device=p.device)
        if weight.ndim and weight.shape != p.shape:
            raise ValueError(f"weights[{name!r}] has shape {tuple(weight.shape)}; allowed: {tuple(p.shape)}, or one")
        if not bool((torch.isfinite(weight) & (weight >= 0)).all()):
            raise ValueError(f"weights[{name!r}] holds {float(weight.min())}; allowed: finite numbers >= 0")
        yield weight.sqrt().expand(p.shape).flatten()
