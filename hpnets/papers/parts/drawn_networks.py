"""The networks of the study, drawn quickly, and the kernel that each tends to."""

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.bandits.surrogate import MakeNet
from hpnets.kernels import KernelFunction
from hpnets.models import create_model
from hpnets.theory import limit_kernel


class Scaled(nn.Module):
    """a f(r x), r the root of the number of features, so that points of norm 1 have unit mean square."""

    def __init__(self, net: nn.Module, a: float) -> None:
        super().__init__()
        self.net, self.a = net, a

    def forward(self, x: Tensor) -> Tensor:
        return self.a * self.net(x[0].numel() ** 0.5 * x)


def create(name: str, shape: tuple[int, ...], width: int) -> nn.Module:
    """`mlp`: depth 2, ReLU, no biases; `pnn_skip`, `ccp`: degree 2, ReLU; with "-sum", the additive twin."""
    family, _, twin = name.partition("-")
    given: dict[str, Any] = {"input_shape": shape, "output_dim": 1, "width": width}
    if family == "mlp":
        return create_model("mlp", depth=2, bias=False, parametrisation="ntk", **given)
    product = "sum" if twin else "hadamard"
    if family == "pnn_skip":
        return create_model(family, degree=2, scale_inputs=True, product=product, **given)
    return create_model(family, degree=2, activation="relu", product=product, parametrisation="ntk", **given)


def maker(name: str, x: Tensor, width: int, amplitude: float = 1.0) -> MakeNet:
    """A function that draws the network anew: all its drawn weights are N(0, 1).

    Its limit kernel has the mean amplitude^2 over the points x.
    """
    template = Scaled(create(name, tuple(x.shape[1:]), width), amplitude / _size(name, x))
    drawn = [key for key, p in template.named_parameters() if bool(p.any())]

    def make() -> nn.Module:
        net = copy.deepcopy(template)
        for key in drawn:
            nn.init.normal_(net.get_parameter(key))
        return net

    return make


def kernel(name: str, x: Tensor, amplitude: float = 1.0) -> KernelFunction:
    """The limit kernel of `maker`'s networks."""
    net, factor = create(name, tuple(x.shape[1:]), 1), (amplitude / _size(name, x)) ** 2
    return partial(_limit, net, factor)


def _limit(net: nn.Module, factor: float, a: Tensor, b: Tensor) -> Tensor:
    r = a[0].numel() ** 0.5
    return factor * limit_kernel(net, r * a, r * b).ntk


def _size(name: str, x: Tensor) -> float:
    """The root mean square of a wide network's draws, sqrt(mean T(x, x))."""
    with torch.random.fork_rng(devices=[]):
        return float(_limit(create(name, tuple(x.shape[1:]), 1), 1.0, x[:50], x[:50]).diagonal().mean()) ** 0.5
