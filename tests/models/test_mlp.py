"""The MLP against torch.nn.Sequential."""

import pytest
import torch
from torch import nn

from hpnets.ntk import ntk
from tests.models.nets import samples, small

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "none": nn.Identity}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_it_is_a_sequential(depth: int, activation: str, bias: bool) -> None:
    net = small("mlp", depth=depth, width=7, activation=activation, bias=bias)
    layers: list[nn.Module] = [nn.Flatten()]
    for n in range(depth):
        layers += [nn.Linear(7 if n else 64, 7, bias=bias), ACTIVATIONS[activation]()]
    oracle = nn.Sequential(*layers, nn.Linear(7 if depth else 64, 3, bias=bias))
    for p in net.parameters():
        nn.init.normal_(p)
    oracle.load_state_dict(dict(zip(oracle.state_dict(), net.state_dict().values(), strict=True)))
    assert torch.equal(net(samples()), oracle(samples()))


def test_relu_keeps_the_scale_from_layer_to_layer() -> None:
    """He's initialisation: without its factor 2, 12 layers would shrink the output 64-fold."""
    torch.manual_seed(0)
    outputs = small("mlp", depth=12, width=256)(samples(64))
    assert 0.3 < outputs.square().mean().sqrt() < 3


@pytest.mark.parametrize(("name", "linear"), [("mlp", True), ("pnn", False)])
def test_the_odd_part_of_a_bias_free_relu_kernel_is_linear(name: str, linear: bool) -> None:
    """So that on the sphere its odd eigenvalues of degree 3 and more are 0, which products change.

    It is so in the limit of width, and at any width whose neurons come in pairs w, -w of equal read-out.
    """
    options = {"depth": 1, "bias": False} if linear else {"degree": 2, "activation": "relu"}
    net = small(name, width=64, **options).double()
    for p in net.parameters():
        if p.shape[0] == 64:
            p.data[32:] = -p.data[:32]
        else:
            p.data[:, 32:] = p.data[:, :32]
    x, z = samples(6, dtype=torch.float64), samples(9, dtype=torch.float64)[6:]
    odd = ntk(net, x, torch.cat([z, -z]), outputs="trace").unflatten(1, (2, 3))
    odd = odd[:, 0] - odd[:, 1]
    both = ntk(net, x, torch.stack([z[0] + z[1], -z[0] - z[1]]), outputs="trace")
    error = (both[:, 0] - both[:, 1] - odd[:, 0] - odd[:, 1]).abs().max() / odd.abs().max()
    assert (error < 1e-10) == linear
