"""Squeeze-excitation against timm's, and the network around it."""

from functools import partial

import pytest
import timm.layers
import torch
from torch import nn

from hpnets.layers.gates import SqueezeExcitation
from tests.models.nets import samples, scramble, small

MAPS = (8, 5, 5)


def gate() -> SqueezeExcitation:
    torch.manual_seed(0)
    return SqueezeExcitation(8, 3).double()


def test_it_is_timms() -> None:
    layer, oracle = gate(), timm.layers.SEModule(8, rd_channels=3).double()
    oracle.load_state_dict(layer.state_dict())
    x = samples(3, MAPS, torch.float64)
    torch.testing.assert_close(layer(x), oracle(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
def test_the_net_is_timms(training: bool) -> None:
    """timm rounds the hidden width to a multiple of 8 where it is not told otherwise."""
    net = scramble(small("se_resnet", input_shape=(3, 16, 16), size="18", width=64, reduction=16))
    attention = partial(timm.layers.SEModule, rd_divisor=1)
    oracle = timm.create_model("seresnet18", num_classes=3, block_args={"attn_layer": attention})
    oracle.conv1, oracle.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    oracle.load_state_dict(net.state_dict())
    x = samples(3, (3, 16, 16))
    torch.testing.assert_close(net.train(training)(x), oracle.train(training)(x), rtol=1e-5, atol=1e-5)


def test_the_gate_does_not_see_positions() -> None:
    layer, x = gate(), samples(3, MAPS, torch.float64)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0))
    permuted = x.flatten(2)[..., order].reshape_as(x)
    assert torch.allclose(layer.gate(permuted), layer.gate(x), rtol=1e-12)
    assert not torch.allclose(layer.gate(x.flip(1)), layer.gate(x))
    assert torch.allclose(layer(permuted), layer(x).flatten(2)[..., order].reshape_as(x), rtol=1e-12)


def test_an_open_gate_leaves_the_residual_net() -> None:
    """With W_2 = 0 and a large bias the gate is 1, and the block is resnet18's."""
    net, plain = scramble(small("se_resnet", size="18")), small("resnet18")
    for name, p in net.named_parameters():
        if "se.fc2" in name:
            nn.init.constant_(p, 50.0 if name.endswith("bias") else 0.0)
    plain.load_state_dict({key: net.state_dict()[key] for key in plain.state_dict()})
    assert torch.allclose(net(samples()), plain(samples()), rtol=1e-6)
    assert not torch.allclose(scramble(small("se_resnet", size="18"))(samples()), plain(samples()), rtol=1e-3)


def test_its_gates_add_their_weights_to_resnet18() -> None:
    """Two blocks a stage, each with two 1x1 convolutions c -> c/16 -> c and their biases."""
    net = small("se_resnet", input_shape=(3, 32, 32), output_dim=10, size="18", width=None, reduction=16)
    gates = sum(2 * (2 * c * (c // 16) + c // 16 + c) for c in (64, 128, 256, 512))
    assert sum(p.numel() for p in net.parameters()) == 11_173_962 + gates


def test_reduction_is_the_hidden_width() -> None:
    net = small("se_resnet", width=16, reduction=8)
    assert [net.get_parameter(f"layer{i}.0.se.fc1.weight").shape[0] for i in (1, 2, 3)] == [2, 4, 8]
    with pytest.raises(ValueError, match="reduction is 0; allowed: an integer >= 1"):
        small("se_resnet", reduction=0)
