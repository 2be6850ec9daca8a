"""Limits of nets on patches: linear attention, whose number of heads grows, and MONet."""

from typing import Any

import torch
from torch import Tensor

from hpnets.theory import nodes
from hpnets.theory.activations import activation
from hpnets.theory.laws import Laws, register_limit
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points


@register_limit("hpnets.models.linear_attention.LinearAttention")
def linear_attention(net: Any, x: Points, laws: Laws) -> Moments:
    """x = patches(image) + p;   blocks;   f = C mean(norm x) + c; the number of heads grows, their width stays."""
    h = laws.default(x.moments(), net.patches.proj)
    h = h + positions(net.p, h, laws)
    for block in net.blocks:
        h = h + attention(block.attention, laws.norm(h, block.norm1), laws)
        W_1, act, W_2 = block.mlp
        h = h + laws.default(activation(laws.default(laws.norm(h, block.norm2), W_1), act), W_2)
    return laws.default(nodes.average(laws.norm(h, net.norm)), net.C)


def positions(p: Tensor, h: Moments, laws: Laws) -> Moments:
    """Learnt positions p ~ N(0, 0.02^2), the same for all points: S = T = 0.02^2 at equal positions, else 0."""
    variance = 0.02**2
    laws.draw(p, variance)
    same = variance * torch.eye(h.S.shape[-1], dtype=h.S.dtype, device=h.S.device)
    S = same.expand_as(h.S)
    return laws.source(Moments(S, S, same.expand_as(h.S_1), same.expand_as(h.S_2), grid=h.grid, gaussian=True))


def attention(layer: Any, x: Moments, laws: Laws) -> Moments:
    r"""O ((Q K^T) V) / n has the moments of sqrt(k) Q * mean(K * V), a product of independent features.

    A head of k channels has Y_s = 1/n sum_t sum_k Q_sk K_tk V_t, so that
    E[Y_s Y'_s'] = k Q(s, s') 1/n^2 sum_tt' K(t, t') V(t, t').

    Source: Hron et al. 2020, "Infinite attention" (arXiv 2006.10540), there with scores of its scaling.
    """
    Q, K, V = (laws.dense(x, W) for W in (layer.W_Q, layer.W_K, layer.W_V))
    if layer.product.additive:
        return laws.dense(Q + nodes.average(K + V), layer.O)
    channels = layer.W_Q.in_features / layer.heads
    return laws.dense(channels**0.5 * (Q * nodes.average(K * V)), layer.O)


@register_limit("hpnets.models.monet.MONet")
def monet(net: Any, x: Points, laws: Laws) -> Moments:
    """x = patches(image);   x = x + Mu(LN x), twice a block;   f = V mean(LN x) + c."""
    h = x.moments()
    for embedding, *blocks in net.stages:
        h = laws.default(h, embedding.conv)
        for block in blocks:
            h = h + mu_layer(block.mu1, laws.norm(h, block.norm1), laws)
            h = h + mu_layer(block.mu2, laws.norm(h, block.norm2), laws)
    return laws.default(nodes.average(laws.norm(h, net.norm)), net.V)


def mu_layer(layer: Any, x: Moments, laws: Laws) -> Moments:
    """C (a + alpha a * b) = C (a * (1 + alpha b)),   a = LN(S U_1 x),   b = LN(U_3 S U_2 x), alpha a constant.

    U_2 has 1/shrink as many rows as U_3, which grow as well.
    """
    laws.draw(layer.alpha, 0.0)
    a = laws.norm(shifted(layer, laws.default(x, layer.U_1)), layer.norm_a)
    b = laws.norm(laws.default(shifted(layer, laws.default(x, layer.U_2)), layer.U_3), layer.norm_b)
    alpha = float(layer.alpha.detach())
    return laws.default((1 + alpha) * a + alpha * b if layer.product.additive else a * (1 + alpha * b), layer.C)


def shifted(layer: Any, x: Moments) -> Moments:
    """S x: the quarters of the channels are moved by one position down, up, right and left."""
    if not layer.shift:
        return x
    height, width = x.grid
    own = torch.arange(height * width, device=x.S.device).reshape(height, width)
    down, up = torch.cat([own[:1], own[:-1]]), torch.cat([own[1:], own[-1:]])
    right, left = torch.cat([own[:, :1], own[:, :-1]], 1), torch.cat([own[:, 1:], own[:, -1:]], 1)
    return nodes.gather(x, [i.flatten() for i in (down, up, right, left)])
