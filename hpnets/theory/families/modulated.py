"""Limits of the modulated nets, whose features are multiplied by those of another branch on the same image."""

from typing import Any

import torch.nn.functional as F
from torch import nn

from hpnets.theory import nodes
from hpnets.theory.activations import activation
from hpnets.theory.families.images import he, shortcut, stem
from hpnets.theory.laws import Laws, no_limit, register_limit
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points

no_limit(
    "hpnets.layers.modulation.SpatialModulation",
    "its map passes an activation after a first layer of uniform biases, which give no Gaussian",
)


@register_limit("hpnets.layers.modulation.ImageStyles")
def mapping(net: Any, x: Points, laws: Laws) -> Moments:
    """w = lrelu(W_l ... lrelu(W_1 z)), z the image averaged on a 4x4 grid; W_l has gain 2, biases are 0."""
    w = x.map(lambda image: F.adaptive_avg_pool2d(image, net.GRID)).flat()
    for W_l in net.W:
        w = activation(laws.dense(w, W_l, gain=2.0), nn.LeakyReLU(0.2))
    return w


@register_limit("hpnets.models.conditional.ConditionalNet")
def conditional(net: Any, x: Points, laws: Laws) -> Moments:
    """FiLM and AdaIN: a residual net whose blocks are modulated by c = mapping(image)."""
    if isinstance(net.condition, nn.Identity):
        raise ValueError(
            "no limit kernel is derived for SPADE: its map passes an activation after a layer of uniform biases"
        )
    c, h = laws(net.condition, x), stem(net, x, laws)
    for block in net.blocks():
        h = modulated_block(block, h, c, laws)
    return laws.default(nodes.average(h), net.fc)


def modulated_block(block: Any, x: Moments, c: Moments, laws: Laws) -> Moments:
    """y = s(mod(conv s(mod(conv x, c)), c) + shortcut(x))."""
    h = activation(modulation(block.bn1, he(laws, x, block.conv1), c, laws), block.act)
    return activation(modulation(block.bn2, he(laws, h, block.conv2), c, laws) + shortcut(block, x, laws), block.act)


def modulation(mod: Any, h: Moments, c: Moments, laws: Laws) -> Moments:
    """(1 + gamma) * norm(h) + beta with (gamma, beta) = A c, two halves of one layer, which share no weights."""
    gamma, beta = laws.dense(c, mod.A), laws.dense(c, mod.A)
    return mod.product(1 + gamma, laws.norm(h, mod.norm)) + beta


@register_limit("hpnets.models.style_classifier.StyleClassifier")
def style_classifier(net: Any, x: Points, laws: Laws) -> Moments:
    """w = mapping(image);   x_0 = conv image;   x_l = s(W''(A_l w) conv x_{l-1} + b_l);   f = V pool(x_L) + c."""
    w = laws(net.mapping, x)
    h = laws.default(x.moments(), net.stem)
    for layer, halve in zip(net.layers, net.halvings, strict=True):
        h = style_block(layer, h, w, laws)
        h = nodes.average_pool(h, 2) if halve else h
    return laws.default(nodes.average(h), net.V)


def style_block(layer: Any, x: Moments, w: Moments, laws: Laws) -> Moments:
    """s(conv(x * style) + b), style = A w + 1, divided by its root mean square if weights are demodulated.

    W'' = W' rsqrt(sum_ik (s_i W_ik)^2); by the law of large numbers the sum tends to its mean, fan_in E[style^2].
    """
    style = laws.dense(w, layer.A) + 1
    if layer.conv.demodulate and not layer.conv.product.additive:
        style = nodes.normalise(style, centre=False)
    laws.draw(layer.conv.weight, 1.0)
    laws.draw(layer.b, 0.0)
    kernel = layer.conv.weight.shape[-1]
    return activation(nodes.conv(layer.conv.product(x, style), kernel, padding=kernel // 2), layer.act)
