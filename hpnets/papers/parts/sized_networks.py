"""Networks by short names, such as "mlp-sigmoid", "pnn-2-relu" and "skip-4-relu-sum"; their parameters and points."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.models.pnn import PNN
from hpnets.tasks import create_task
from hpnets.theory import product_rank

MODELS = {"pnn": "pnn", "skip": "pnn_skip", "ccp": "ccp"}


def build(name: str, dim: int, width: int) -> nn.Module:
    """mlp-s: two hidden layers of activation s, no bias. pnn-N-s, skip-N-s, ccp-N-s: products; -sum: the twin."""
    family, *rest = name.split("-")
    same: dict[str, Any] = {"input_shape": (dim,), "output_dim": 1, "width": width}
    if family == "mlp":
        return create_model("mlp", depth=2, activation=rest[0], bias=False, **same)
    degree, activation, *twin = rest
    same |= {} if family == "ccp" else {"scale_inputs": True}
    same |= {"activation": activation, "product": "sum" if twin else "hadamard"}
    return create_model(MODELS[family], degree=int(degree), **same)


def drawn(network: str, dim: int, width: int, seed: int) -> nn.Module:
    """The network of that name, drawn on the CPU by its seed."""
    torch.manual_seed(seed)
    return build(network, dim, width)


def noise_points(dim: int, samples: int, seed: int, where: str = "gaussian") -> tuple[Tensor, Tensor]:
    """x (samples, dim) and y (samples, 1) of the `gaussian_points` task, y ~ N(0, 1)."""
    task = create_task("gaussian_points", dim=dim, points=where, train_size=samples, batch_size=samples, seed=seed)
    task.setup()
    return task.train_set.batch(range(samples))


def parameters(name: str, dim: int, width: int) -> int:
    """P: m (d + m + 1) of an MLP, m (N d + 1) of a product and of its twin, and the bias of ccp."""
    family, degree, *_ = name.split("-")
    return width * (dim + width + 1) if family == "mlp" else width * (int(degree) * dim + 1) + (family == "ccp")


def width_of(name: str, dim: int, at_most: float) -> int:
    """The largest width, at least 1, with at most so many parameters."""
    width = 1
    while parameters(name, dim, width + 1) <= at_most:
        width += 1
    return width


def square_dim(at_most: float) -> int:
    """The largest d, at least 1, for which an MLP d-d-d-1 has at most so many parameters, d (2 d + 1)."""
    return max(1, int(((1 + 8 * at_most) ** 0.5 - 1) / 4))


def with_unit_readout(net: nn.Module) -> nn.Module:
    """The network with read-out weights N(0, 1) and no factor before them, so that K grows with the width."""
    if isinstance(net, PNN):
        net.output_scale = 1.0
        return net
    readout = net.V if hasattr(net, "V") else net.C
    assert isinstance(readout, nn.Linear)
    with torch.no_grad():
        readout.weight.mul_(readout.in_features**0.5)
    return net


def width_needed(name: str, dim: int, n: int) -> float:
    """The least width whose parameters (MLP) or rank (products without activation) reach n; inf if none does."""
    family, degree, *_ = name.split("-")

    def reached(m: int) -> int:
        return parameters(name, dim, m) if family == "mlp" else product_rank(MODELS[family], int(degree), dim, m, n)

    return next((m for m in range(1, n + 1) if reached(m) >= n), math.inf)


def rank_bound(name: str, width: int, net: nn.Module, x: Tensor) -> int:
    """`product_rank` without activation; with ReLU a bound: m N d beside a skip, else by the points that are active."""
    family, degree, activation, *_ = name.split("-")
    (n, dim), N = x.shape, int(degree)
    if activation == "none":
        return product_rank(MODELS[family], N, dim, width, n)
    if family != "pnn":
        return min(n, width * N * dim + (family == "ccp"))
    with torch.no_grad():
        active = torch.stack([W_n(x) > 0 for W_n in net.W]).all(0)  # type: ignore[union-attr]
    return min(int(active.any(1).sum()), int(active.sum(0).clamp(max=N * (dim - 1) + 1).sum()))


def expected_dead(name: str, n: int, width: int) -> float:
    """How many of n points lie where no unit has all of its N ReLU factors positive: n (1 - 2^-N)^m of pnn, else 0."""
    family, *rest = name.split("-")
    return n * (1 - 0.5 ** int(rest[0])) ** width if family == "pnn" and rest[1] == "relu" and not rest[2:] else 0.0
