"""The MLP against torch.nn.Sequential."""

import pytest
import torch
from torch import nn

from tests.models.nets import relative_difference, samples, small

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


def test_without_activation_it_is_affine() -> None:
    assert relative_difference(small("mlp", activation="none").double(), 2) < 1e-12
    assert relative_difference(small("mlp", activation="relu").double(), 2) > 1e-3
