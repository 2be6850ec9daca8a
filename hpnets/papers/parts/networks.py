"""Small networks with Hadamard factors and their additive twins, by short names: "mlp", "pnn1-3", "ccp-10-sum"."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model


class WithOne(nn.Module):
    """net((x, 1)): what gives a network without biases, homogeneous in its input, terms of every degree in x."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.cat([x, torch.ones_like(x[:, :1])], dim=1))


def build(name: str, inputs: int, outputs: int, width: int) -> nn.Module:
    """mlp: two hidden layers, ReLU, biases. pnn-N: of x; pnn1-N: of (x, 1). ccp-N: no activation. -sum: the twin."""
    family, *rest = name.split("-")
    if family == "mlp":
        return create_model("mlp", input_shape=(inputs,), output_dim=outputs, depth=2, width=width)
    options: dict[str, Any] = {"degree": int(rest[0]), "width": width, "output_dim": outputs}
    options["product"] = "sum" if is_twin(name) else "hadamard"
    if family == "ccp":
        return create_model("ccp", input_shape=(inputs,), **options)
    if family == "pnn":
        return create_model("pnn", input_shape=(inputs,), scale_inputs=True, **options)
    return WithOne(create_model("pnn", input_shape=(inputs + 1,), scale_inputs=True, **options))


def is_twin(name: str) -> bool:
    """Whether it adds where its network multiplies."""
    return name.endswith("-sum")


def degree_outside(name: str) -> int:
    """The degree in t of f(t v) for large t, as the architecture has it: 1 for an MLP and for a sum, else N."""
    family, *rest = name.split("-")
    return 1 if family == "mlp" or is_twin(name) else int(rest[0])
