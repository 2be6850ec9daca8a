"""Limits of the plain baselines and of the convolutional one."""

from typing import Any

from torch import nn

from hpnets.theory import nodes
from hpnets.theory.activations import activation
from hpnets.theory.laws import Laws, flat, register_limit, uniform_bias
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points


@register_limit("hpnets.models.mlp.MLP")
def mlp(net: Any, x: Points | Moments, laws: Laws) -> Moments:
    """h_l = s(W_l h_{l-1} + b_l);   f = V h_depth + c;   W_l has gain 2 for ReLU, else 1; biases are 0."""
    h = flat(x)
    gain = 2.0 if isinstance(net.act, nn.ReLU) else 1.0
    for W_l in net.W:
        h = activation(laws.dense(h, W_l, gain), net.act)
    return laws.dense(h, net.V)


@register_limit("hpnets.models.resmlp.ResMLP")
def resmlp(net: Any, x: Points | Moments, laws: Laws) -> Moments:
    """h_0 = U x;   h_l = h_{l-1} + W_lk s(.. W_l1 s(h_{l-1}));   f = V s(h_L);   W's gain is 2 for ReLU, else 1."""
    h = laws.dense(flat(x), net.U)
    gain = 2.0 if isinstance(net.act, nn.ReLU) else 1.0
    for block in net.blocks:
        y = h
        for W_k in block.W:
            y = laws.dense(activation(y, net.act), W_k, gain)
        h = h + y
    return laws.dense(activation(h, net.act), net.V)


@register_limit("hpnets.models.cnn.CNN")
def cnn(net: Any, x: Points, laws: Laws) -> Moments:
    """h_l = s(norm(W_l conv h_{l-1}));   f = V pool(h_depth) + c."""
    h = x.moments()
    for W_l, norm, act in net.layers:
        h = activation(laws.norm(laws.conv(h, W_l, gain=2.0, bias=uniform_bias(W_l)), norm), act)
    return laws.default(nodes.average(h), net.V)
