"""Limits of the coordinate nets: sinusoids with random frequencies, in closed form, before layers whose width grows."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.theory.activations import activation
from hpnets.theory.closed_forms import Sine
from hpnets.theory.laws import Laws, flat, no_limit, register_limit, uniform_bias
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points

Pairwise = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def feature(x: Points, pairwise: Pairwise, laws: Laws) -> Moments:
    """Features of mean 0, given by `pairwise`, which maps points (..., d) and (..., d) to their S and T."""
    a, b = x.x_1.flatten(1), x.x_2.flatten(1)
    laws.largest = max(laws.largest, a.shape[1])
    S, T = pairwise(a[:, None], b[None])
    S_1, S_2 = pairwise(a, a)[0], pairwise(b, b)[0]
    return laws.source(Moments(S[..., None, None], T[..., None, None], S_1[:, None, None], S_2[:, None, None]))


@register_limit("hpnets.models.mfn.FourierFilter")
def fourier_filter(g: Any, x: Points, laws: Laws) -> Moments:
    r"""g = sin(w x + p): S = exp(-f^2 |x - x'|^2 / (2 d)) / 2 and T = (f^2/d <x, x'> + pi^2/3) S.

    The mean over the phase p is cos(w (x - x')) / 2, both for the sines and for the cosines, their derivatives.
    """
    variance = g.frequency**2 / g.w.in_features
    laws.draw(g.w.weight, variance)
    laws.draw(g.p, math.pi**2 / 3)

    def pairwise(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        S = torch.exp(-variance / 2 * (a - b).square().sum(-1)) / 2
        return S, (variance * (a * b).sum(-1) + math.pi**2 / 3) * S

    return feature(x, pairwise, laws)


@register_limit("hpnets.models.bacon.FrozenFilter")
def frozen_filter(g: Any, x: Points, laws: Laws) -> Moments:
    r"""g = sin(2 pi k x / period + p), k uniform on -F..F: S = prod_i mean_k cos(2 pi k (x - x')_i / period) / 2."""
    laws.draw(g.p, math.pi**2 / 3)

    def pairwise(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        angle = g.scale * (a - b)
        waves = 1 + 2 * sum(torch.cos(k * angle) for k in range(1, g.frequency + 1))
        S = (waves / (2 * g.frequency + 1)).prod(-1) / 2
        return S, math.pi**2 / 3 * S

    return feature(x, pairwise, laws)


@register_limit("hpnets.models.mfn.MFN")
def mfn(net: Any, x: Points, laws: Laws) -> Moments:
    """z_1 = g_1(x);   z_{i+1} = (W_i z_i + b_i) * g_{i+1}(x);   f = C z_k + c;   W_i and C have gain 2."""
    return laws.dense(filtered(net, x, laws)[-1], net.C, 2.0, uniform_bias(net.C))


def filtered(net: Any, x: Points, laws: Laws) -> list[Moments]:
    """The features z_1..z_k of an MFN or BACON."""
    z = [laws(net.g[0], x)]
    for W_i, g_i in zip(net.W, net.g[1:], strict=True):
        z.append(net.product(laws.dense(z[-1], W_i, 2.0, uniform_bias(W_i)), laws(g_i, x)))
    return z


@register_limit("hpnets.models.bacon.BACON")
def bacon(net: Any, x: Points, laws: Laws) -> Moments:
    """f = sum_i (C_i z_i + c_i), C_i with gain 2/K; each C_i has weights of its own, so that moments add."""
    z = filtered(net, x, laws)
    terms = [laws.dense(z_i, C_i, 2 / len(z), uniform_bias(C_i)) for C_i, z_i in zip(net.C_i, z, strict=True)]
    f = terms[0]
    for term in terms[1:]:
        f = f + term
    return f


@register_limit("hpnets.models.siren.SIREN")
def siren(net: Any, x: Points, laws: Laws) -> Moments:
    """h_l = sin(omega (W_l h_{l-1} + b_l)), W_l with gain 2/omega^2 for l > 1;   f = C h_depth + c, C with gain 2."""
    first, *others = net.W
    h = feature(x, uniform_sine(net.omega, first, laws), laws)
    for W_l in others:
        h = activation(laws.dense(h, W_l, 2 / net.omega**2, uniform_bias(W_l)), Sine(net.omega))
    return laws.dense(h, net.C, 2.0, uniform_bias(net.C))


def uniform_sine(omega: float, layer: nn.Linear, laws: Laws) -> Pairwise:
    r"""(S, T) of sin(omega (W x + b)), W ~ U(-1/d, 1/d), b ~ U(-1/sqrt(d), 1/sqrt(d)); means of waves are sincs.

    C(+-) = E cos(omega (W (x +- x') + b +- b)) = prod_i sinc(omega (x +- x')_i / d) [sinc(2 omega / sqrt(d)) for +];
    S = (C(-) - C(+)) / 2,   T = omega^2 (<x, x'> / (3 d^2) + 1 / (3 d)) (C(-) + C(+)) / 2.
    """
    d = layer.in_features
    laws.draw(layer.weight, 1 / (3 * d**2))
    laws.draw(layer.bias, 1 / (3 * d))

    def sinc(t: Tensor) -> Tensor:
        return torch.sinc(t / math.pi)

    def pairwise(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        minus = sinc(omega * (a - b) / d).prod(-1)
        plus = sinc(omega * (a + b) / d).prod(-1) * sinc(a.new_tensor(2 * omega * d**-0.5))
        T = omega**2 * ((a * b).sum(-1) / (3 * d**2) + 1 / (3 * d)) * (minus + plus) / 2
        return (minus - plus) / 2, T

    return pairwise


@register_limit("hpnets.models.fourier_features.FourierFeatures")
def fourier_features(net: Any, x: Points, laws: Laws) -> Moments:
    """The MLP's limit on gamma(x) = [cos 2 pi B x, sin 2 pi B x], with the frozen B that the net has."""
    B = net.B.double()

    def gamma(points: Tensor) -> Tensor:
        angle = 2 * math.pi * points.flatten(1) @ B.T
        return torch.cat([angle.cos(), angle.sin()], 1)

    return laws(net.mlp, x.map(gamma))


@register_limit("hpnets.models.poly_inr.PolyINR")
def poly_inr(net: Any, x: Points, laws: Laws) -> Moments:
    """x_0 = 1;   x_n = s(F_n(x_{n-1} * s(A_n g)));   f = C x_N + c; the clamp must be out of reach."""
    g, h = flat(x), None
    gain = 2 / (1 + net.act.negative_slope**2) if isinstance(net.act, nn.LeakyReLU) else 1.0
    for A_n, F_n in zip(net.A, net.F, strict=True):
        level = activation(laws.dense(g, A_n, gain, uniform_bias(A_n)), net.act)
        one = 1 + level if net.product.additive else level
        product = one if h is None else net.product(h, level)
        h = activation(laws.dense(product, F_n, gain, uniform_bias(F_n)), net.act)
        check_clamp(h, net.clamp)
    assert h is not None
    return laws.default(h, net.C)


def check_clamp(h: Moments, clamp: float) -> None:
    """Raise ValueError unless 8 standard deviations of a level stay within its clamp."""
    largest = max(float(v.detach().max()) for v in h.variances) ** 0.5
    if 8 * largest > clamp:
        raise ValueError(
            f"clamp is {clamp}, but a level's deviation is {largest:.3g}; allowed for a limit: clamp >= 8 deviations"
        )


no_limit("hpnets.models.mfn.GaborFilter", "its windows' widths are random, so that its moments are integrals over them")
