"""Gated linear units against timm, and the degree of the bilinear one."""

import pytest
import torch
from torch import nn

from tests.models.nets import samples, small

GATES = {"glu": nn.Sigmoid, "swiglu": nn.SiLU, "bilinear": nn.Identity}


def scrambled(name: str, bias: bool) -> nn.Module:
    net = small(name, width=8, bias=bias).double()
    for p in net.parameters():
        nn.init.normal_(p)
    return net


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", GATES)
def test_depth_one_is_timms_glu_mlp(name: str, bias: bool) -> None:
    timm = pytest.importorskip("timm.layers")
    oracle = timm.GluMlp(64, hidden_features=16, out_features=3, act_layer=GATES[name], bias=bias).double()
    net, x = scrambled(name, bias), samples(dtype=torch.float64)
    weights = {"fc1.weight": torch.cat([net.V[0].weight, net.W[0].weight]), "fc2.weight": net.C.weight}
    if bias:
        weights |= {"fc1.bias": torch.cat([net.V[0].bias, net.W[0].bias]), "fc2.bias": net.C.bias}
    oracle.load_state_dict(weights)
    torch.testing.assert_close(net(x), oracle(x.flatten(1)), rtol=1e-12, atol=1e-12)


def test_depth_one_is_timms_swiglu() -> None:
    timm = pytest.importorskip("timm.layers")
    oracle, net = timm.SwiGLU(64, hidden_features=8, out_features=3).double(), scrambled("swiglu", True)
    x = samples(dtype=torch.float64)
    names = {"W.0": "fc1_g", "V.0": "fc1_x", "C": "fc2"}
    weights = {key.rpartition("."): value for key, value in net.state_dict().items()}
    oracle.load_state_dict({f"{names[layer]}.{kind}": value for (layer, _, kind), value in weights.items()})
    torch.testing.assert_close(net(x), oracle(x.flatten(1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", GATES)
def test_layers_follow_one_another(name: str) -> None:
    net, act = small(name, depth=3), GATES[name]()
    h = samples().flatten(1)
    for W_l, V_l in zip(net.W, net.V, strict=True):
        h = act(W_l(h)) * V_l(h)
    assert torch.equal(net(samples()), net.C(h))
    assert len(net.W) == 3


@pytest.mark.parametrize("name", GATES)
def test_depth_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="depth is 0; allowed: an integer >= 1"):
        small(name, depth=0)
