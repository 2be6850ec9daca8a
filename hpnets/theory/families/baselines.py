"""Limits of the plain baseline and of the convolutional one."""

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


@register_limit("hpnets.models.cnn.CNN")
def cnn(net: Any, x: Points, laws: Laws) -> Moments:
    """h_l = s(norm(W_l conv h_{l-1}));   f = V pool(h_depth) + c."""
    h = x.moments()
    for W_l, norm, act in net.layers:
        h = activation(laws.norm(laws.conv(h, W_l, gain=2.0, bias=uniform_bias(W_l)), norm), act)
    return laws.default(nodes.average(h), net.V)
