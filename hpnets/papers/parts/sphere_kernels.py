"""Limit kernels on the unit sphere by short names of networks: "mlp" of a depth, "pnn", "pnn-sum" of a degree."""

from typing import Any

from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.theory import angle_kernel, angles, limit_kernel


def limit(network: str, size: int, x: Tensor, z: Tensor | None = None) -> Tensor:
    """psi of depth `size` for "mlp", else the limit NTK of a model of that degree; x and z on the unit sphere.

    ccp is made for inputs of unit mean square, the others for unit norm.
    """
    if network == "mlp":
        return angle_kernel(angles(x, z), size)
    scale = x.shape[1] ** 0.5 if network == "ccp" else 1.0
    net = make_net(network, size, x.shape[1], 1)
    return limit_kernel(net, scale * x, None if z is None else scale * z).ntk


def make_net(network: str, size: int, inputs: int, width: int) -> nn.Module:
    """An mlp of depth `size` in the ntk parametrisation, or a model of degree `size`, or, with "-sum", its twin."""
    name, _, twin = network.partition("-")
    products: dict[str, Any] = {"degree": size, "product": twin or "hadamard"}
    options = {"depth": size, "bias": False, "parametrisation": "ntk"} if name == "mlp" else products
    return create_model(name, input_shape=(inputs,), output_dim=1, width=width, **options)
