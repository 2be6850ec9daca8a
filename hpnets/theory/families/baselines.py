"""Limits of the plain baselines, real and complex, and of the convolutional one."""

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


# For each activation of `complex_mlp`: the gain of its layers, and the real function that acts on both parts.
_SPLIT = {"none": (1.0, "none"), "split_relu": (2.0, "relu"), "split_tanh": (1.0, "tanh")}


@register_limit("hpnets.models.complex_mlp.ComplexMLP")
def complex_mlp(net: Any, x: Points, laws: Laws) -> Moments:
    r"""z_l = s((A_l + i B_l) z_{l-1});   f = Re(V z_depth), for a split activation s(u + iv) = s(u) + i s(v).

    Both parts u, v of a coordinate then have the moments of a real net on [Re x; Im x]: with A, B ~ N(0, gain / (2 n)),
    E[u u'] is gain/2 (E[u u'] + E[v v']) = gain E[u u'] of the layer before. Im<x, x'> enters only E[u v'], which no
    later layer reads.
    """
    name = net.s[0].name
    if name not in _SPLIT:
        raise ValueError(
            f"complex_mlp with activation {name!r} has no limit in closed form: it mixes real and imaginary part; "
            f"allowed: {', '.join(_SPLIT)}"
        )
    gain, real = _SPLIT[name]
    h = flat(x) if net.complex_input else 0.5**0.5 * flat(x)
    for W_l in net.W:
        for layer in (W_l.A, W_l.B):
            laws.draw(layer.weight, gain / (2 * layer.in_features))
        laws.draw(W_l.a, 0.0)
        laws.draw(W_l.b, 0.0)
        h = activation(laws.gaussian(h, gain), real)
    return laws.dense(h, net.V, gain=2.0)
