"""Quadratic neurons against their formula, and their degree."""

import pytest
import torch
from torch import nn

from tests.models.nets import relative_difference, samples, small


def scramble_norms(net: nn.Module) -> nn.Module:
    """Batch statistics and affine parameters as after training, not the identity."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
    return net


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_degree_is_two_to_the_depth(depth: int, norm: str) -> None:
    net = scramble_norms(small("quadratic", depth=depth, norm=norm, width=16).double())
    assert relative_difference(net, 2**depth + 1) < 1e-11
    assert relative_difference(net, 2**depth) > 1e-3


def test_layer_norm_is_no_polynomial() -> None:
    assert relative_difference(small("quadratic", depth=1, norm="layer").double(), 3) > 1e-3


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("training", [False, True])
def test_formula(activation: str, training: bool) -> None:
    net = scramble_norms(small("quadratic", depth=2, activation=activation).double()).train(training)
    h = x = samples(dtype=torch.float64)
    h = h.flatten(1)
    for layer in net.layers:
        terms = []
        for W, bn in [(layer.W_1, layer.norm_1), (layer.W_2, layer.norm_2), (layer.W_3, layer.norm_3)]:
            u = h @ W.weight.T
            mean, var = (u.mean(0), u.var(0, correction=0)) if training else (bn.running_mean, bn.running_var)
            terms.append((u - mean) / (var + bn.eps).sqrt() * bn.weight + bn.bias)
        h = terms[0] * terms[1] + terms[2]
        h = h.relu() if activation == "relu" else h
    torch.testing.assert_close(net(x), h @ net.C.weight.T + net.C.bias, rtol=1e-10, atol=1e-10)


def test_biases_stand_where_there_is_no_norm() -> None:
    assert "layers.0.W_3.bias" in small("quadratic", depth=1, norm="none").state_dict()
    assert "layers.0.W_3.bias" not in small("quadratic", depth=1, norm="batch").state_dict()
