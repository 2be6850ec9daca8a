"""Limits of the residual image nets: without activation, blocks are sums of products of independent convolutions."""

from typing import Any

from torch import nn

from hpnets.theory import nodes
from hpnets.theory.activations import activation
from hpnets.theory.laws import Laws, no_limit, register_limit, uniform_bias
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points


def he(laws: Laws, h: Moments, layer: nn.Conv2d) -> Moments:
    """A convolution with W ~ N(0, 2 / fan_out), as all in `ResidualNet`; its gain is 2 inputs / outputs."""
    return laws.conv(h, layer, gain=2 * layer.in_channels / layer.out_channels, bias=uniform_bias(layer))


@register_limit("hpnets.models.backbone.ResidualNet")
def residual(net: Any, x: Points, laws: Laws) -> Moments:
    """x_0 = s(norm(conv x));   x_l = block_l(x_{l-1});   f = fc(mean x_L).

    An identity shortcut adds features after an activation to a new Gaussian, so that only s = none has a closed form.
    """
    h = stem(net, x, laws)
    for block in net.blocks():
        h = laws(block, h)
    return laws.default(nodes.average(h), net.fc)


def stem(net: Any, x: Points, laws: Laws) -> Moments:
    """s(norm(conv x)); raises ValueError for max-pooling, whose moments are not derived."""
    if not isinstance(net.maxpool, nn.Identity):
        raise ValueError("max-pooling has no limit here; allowed: stem 'small'")
    return activation(laws.norm(he(laws, x.moments(), net.conv1), net.bn1), net.act)


def branch(block: Any, x: Moments, laws: Laws) -> Moments:
    """o = norm(conv s(norm(conv x)))."""
    h = activation(laws.norm(he(laws, x, block.conv1), block.bn1), block.act)
    return laws.norm(he(laws, h, block.conv2), block.bn2)


def shortcut(block: Any, x: Moments, laws: Laws) -> Moments:
    """The identity, or norm(conv1x1 x)."""
    if isinstance(block.downsample, nn.Identity):
        return x
    conv, norm = block.downsample
    return laws.norm(he(laws, x, conv), norm)


@register_limit("hpnets.models.backbone.BasicBlock")
def basic_block(block: Any, x: Moments, laws: Laws) -> Moments:
    """y = s(o + shortcut(x))."""
    return activation(branch(block, x, laws) + shortcut(block, x, laws), block.act)


@register_limit("hpnets.models.pinet.PiBlock")
def pi_block(block: Any, x: Moments, laws: Laws) -> Moments:
    """y = s(o + id + BN(o * id)) = s(((1 + k o) * (1 + k id) - 1) / k), k the factor of BN at initial statistics."""
    o, identity = branch(block, x, laws), shortcut(block, x, laws)
    if not isinstance(block.mix, nn.Identity):
        product = laws.norm(he(laws, block.product(o, identity), block.mix), block.bn)
        return activation(o + identity + product, block.act)
    if isinstance(block.bn, nn.GroupNorm):
        raise ValueError("pinet with norm 'group' and no conv1x1 has no limit here; allowed: norm 'batch' or 'none'")
    k = laws.factor(block.bn)
    if block.product.additive:
        return activation((1 + k) * (o + identity), block.act)
    return activation(((1 + k * o) * (1 + k * identity) + -1.0) * (1 / k), block.act)


@register_limit("hpnets.models.pdc.PDCBlock")
def pdc_block(block: Any, x: Moments, laws: Laws) -> Moments:
    """y = s(o + shortcut(x) + alpha (u_1 * u_2)), alpha a constant."""
    laws.draw(block.alpha, 0.0)
    o, identity = branch(block, x, laws), shortcut(block, x, laws)
    u_1, u_2 = (laws.norm(he(laws, x, conv), norm) for conv, norm in block.u)
    return activation(o + identity + float(block.alpha.detach()) * block.product(u_1, u_2), block.act)


@register_limit("hpnets.models.polynet.RPolyBlock")
def r_poly_block(block: Any, x: Moments, laws: Laws) -> Moments:
    """y = s(o + sc(x) + alpha BN(conv1x1(o * norm(sc x)))), alpha a constant."""
    laws.draw(block.alpha, 0.0)
    o, sc = branch(block, x, laws), shortcut(block, x, laws)
    mixed = laws.norm(he(laws, block.product(o, laws.norm(sc, block.norm)), block.mix), block.bn)
    return activation(o + sc + float(block.alpha.detach()) * mixed, block.act)


@register_limit("hpnets.models.se_resnet.SEBlock")
def se_block(block: Any, x: Moments, laws: Laws) -> Moments:
    """y = s(o * sigmoid(W_2 relu(W_1 pool o)) + shortcut(x)); the gate has weights of its own."""
    o = branch(block, x, laws)
    h = nodes.average(o)
    hidden = activation(one_position(laws, h, block.se.fc1), "relu")
    gate = activation(one_position(laws, hidden, block.se.fc2), "sigmoid")
    return activation(block.se.product(o, gate) + shortcut(block, x, laws), block.act)


def one_position(laws: Laws, h: Moments, layer: nn.Conv2d) -> Moments:
    """A 1x1 convolution with He's weights on a pooled map, where it is a dense layer."""
    gain, bias = 2 * layer.in_channels / layer.out_channels, uniform_bias(layer)
    laws.draw(layer.weight, gain / layer.in_channels)
    laws.draw(layer.bias, bias)
    return laws.gaussian(h, gain, bias)


_SHARED = "its {} stay random at any width, since all channels share them"
for _net, _reason in {
    "polynet.DPolyNet": "its second-degree terms t_n share features with the sums they are added to",
    "style_generator.StyleGenerator": "it paints: its outputs are pixels, which no limit makes independent",
    "gmlp.GMLP": _SHARED.format("token-mixing weights, n x n,"),
    "focalnet.FocalNet": _SHARED.format("gates, one map a level,"),
    "starnet.StarNet": "its weights have deviation 0.02 at any fan-in, so that features grow with the width",
    "van.VAN": "an activation follows depthwise convolutions, of so few weights a channel that none is Gaussian",
    "polynext.PolyNeXt": "its products are of depthwise convolutions, whose few weights a channel make none Gaussian",
    "mambaout.MambaOut": "an activation follows its first layer, whose uniform weights give no Gaussian",
}.items():
    no_limit(f"hpnets.models.{_net}", _reason)
