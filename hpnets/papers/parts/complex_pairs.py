"""Complex networks beside real ones on [Re z; Im z], by short names; their kernels and limits."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel

# "mlp-<activation>": two hidden layers. "<activation>-mult-<N>", "<activation>-skip-<N>": products of N factors;
# "-sum": the additive twin. "real-..": the real network on [Re z; Im z].
REAL = {"none": "none", "modrelu": "none", "split_relu": "relu", "split_tanh": "tanh"}


def make_net(name: str, dim: int, width: int) -> nn.Module:
    """The network in the NTK parametrisation, with one output; what starts at a constant is held there."""
    family, *rest = name.removeprefix("real-").split("-")
    real, made = name.startswith("real-"), {"input_shape": (2 * dim,), "output_dim": 1, "width": width}
    options: dict[str, Any] = made if real else {**made, "complex_input": True, "parametrisation": "ntk"}
    if family == "mlp":
        options |= {"depth": 2, "activation": REAL[rest[0]] if real else rest[0]}
        options |= {"parametrisation": "ntk"}
        net = create_model("mlp" if real else "complex_mlp", **options)
    else:
        options |= {"degree": int(rest[1]), "product": "sum" if rest[-1] == "sum" else "hadamard"}
        options |= {"activation": REAL[family], "scale_inputs": True} if real else {"activation": family}
        skip = rest[0] == "skip"
        options |= {} if real else {"skip": skip}
        net = create_model(("pnn_skip" if skip else "pnn") if real else "complex_ccp", **options)
    for p in net.parameters():
        p.requires_grad_(bool((p != p.flatten()[0]).any()))
    return net


def kernel(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The NTK of what is not held, in float64."""
    free = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}
    return ntk(net, x, y, outputs="trace", params=free).double()


def points(number: int, dim: int, seed: int) -> Tensor:
    """Points [Re z; Im z] (number, 2 dim), uniform on the sphere |z|^2 = dim, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 2 * dim, generator=generator, dtype=torch.float64)
    return dim**0.5 * x / x.norm(dim=1, keepdim=True)


def limit(network: str, x: Tensor, z: Tensor | None = None) -> Tensor:
    """The limit NTK of a network at [Re z; Im z]."""
    return limit_kernel(make_net(network, x.shape[1] // 2, 8).double(), x, z).ntk


def drawn(network: str, dim: int, width: int, seed: int, device: str) -> Any:
    """The network of a seed."""
    torch.manual_seed(seed)
    return make_net(network, dim, width).to(device)
