"""Limits of the polynomial and gated nets, by the product rule along their recursions."""

from typing import Any

from torch import nn

from hpnets.theory.activations import activation
from hpnets.theory.laws import Laws, flat, no_limit, register_limit, uniform_bias
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points

Input = Points | Moments


def coupled(net: Any, a: Moments, y: Moments, k: float = 1.0) -> Moments:
    """A product beside a skip: k a * y + y = (1 + k a) * y; in the additive twin k (a + y) + y."""
    return k * a + (1 + k) * y if net.product.additive else (1 + k * a) * y


def chained(net: Any, a: Moments, y: Moments, norm: nn.Module, laws: Laws) -> Moments:
    """norm(a * y) [+ y], the bracket if `skip`; ValueError for a LayerNorm beside a skip, since both share y."""
    if not net.skip:
        return laws.norm(net.product(a, y), norm)
    if isinstance(norm, nn.LayerNorm):
        raise ValueError("norm 'layer' of a product beside a skip has no limit here; allowed: norm 'batch' or 'none'")
    return coupled(net, a, y, laws.factor(norm))


def check_factors(net: Any) -> None:
    """Raise ValueError for shared factors, since the product rule is for independent ones."""
    if net.shared:
        raise ValueError("shared factors are dependent, and have no limit here; allowed: shared false")


@register_limit("hpnets.models.ccp.CCP")
def ccp(net: Any, x: Input, laws: Laws) -> Moments:
    """y_1 = U_1 x;   y_n = norm(s(U_n x) * y_{n-1}) [+ y_{n-1}];   f = C y_N + b, b = 0."""
    check_factors(net)
    x = flat(x)
    y = laws.dense(x, net.U[0])
    for s, norm in zip(laws.alike(activation(y, net.act), net.U[0], net.U[1:]), net.norm, strict=True):
        y = chained(net, s, y, norm, laws)
    return laws.dense(y, net.C)


@register_limit("hpnets.models.cope.CoPE")
def cope(net: Any, x: Input, laws: Laws) -> Moments:
    """The limit of CCP on (z, c): U_n z + V_n c is one dense layer of both."""
    check_factors(net)
    x = flat(x)

    def joint(U_n: nn.Linear, V_n: nn.Linear) -> Moments:
        laws.draw(U_n.weight, 1 / sum(net.sizes))
        laws.draw(V_n.weight, 1 / sum(net.sizes))
        return laws.gaussian(x)

    x_n = joint(net.U[0], net.V[0])
    for U_n, V_n, norm in zip(net.U[1:], net.V[1:], net.norm, strict=True):
        x_n = chained(net, activation(joint(U_n, V_n), net.act), x_n, norm, laws)
    return laws.dense(x_n, net.C)


@register_limit("hpnets.models.ncp.NCP")
def ncp(net: Any, x: Input, laws: Laws) -> Moments:
    """x_1 = s(A_1 x) * b_1;   x_n = norm(s(A_n x) * (S_n x_{n-1} + b_n)) [+ x_{n-1}];   f = C x_N + c;   b_n = 1."""
    check_factors(net)
    x = flat(x)
    laws.draw(net.b_1, 0.0)
    first = activation(laws.dense(x, net.A[0]), net.act)
    y = first + 1 if net.product.additive else first
    for s, S_n, norm in zip(laws.alike(first, net.A[0], net.A[1:]), net.S, net.norm, strict=True):
        mixed = laws.norm(net.product(s, laws.dense(y, S_n) + 1), norm)
        y = mixed + y if net.skip else mixed
    return laws.dense(y, net.C)


@register_limit("hpnets.models.pnn.PNN")
def pnn(net: Any, x: Input, laws: Laws) -> Moments:
    """y_1 = s(W_1 x);   y_n = s(W_n x) * y_{n-1} [+ y_{n-1}];   f = sqrt(2/m) v^T y_N;   all weights are N(0, 1)."""
    x_0 = net.input_scale * flat(x)
    y = first = activation(laws.dense(x_0, net.W[0], gain=net.W[0].in_features), net.act)
    for s in laws.alike(first, net.W[0], net.W[1:]):
        y = coupled(net, s, y) if net.skip else net.product(s, y)
    return laws.dense(y, net.v, gain=2.0, multiplier=net.output_scale)


@register_limit("hpnets.models.prodpoly.ProdPoly")
def prodpoly(net: Any, x: Input, laws: Laws) -> Moments:
    """h_b = norm(CCP_b(h_{b-1})), b = 1..B-1;   f = CCP_B(h_{B-1})."""
    h = flat(x)
    for CCP_b, norm in zip(net.CCP[:-1], net.norm, strict=True):
        h = laws.norm(laws(CCP_b, h), norm)
    return laws(net.CCP[-1], h)


@register_limit("hpnets.models.quadratic.Quadratic")
def quadratic(net: Any, x: Input, laws: Laws) -> Moments:
    """h_l = s(norm(W_1 h_{l-1}) * norm(W_2 h_{l-1}) + norm(W_3 h_{l-1}));   f = C h_depth + b."""
    h = flat(x)
    for layer in net.layers:
        h = activation(laws(layer, h), net.act)
    return laws.default(h, net.C)


@register_limit("hpnets.models.quadratic.QuadraticLayer")
def quadratic_layer(layer: Any, h: Moments, laws: Laws) -> Moments:
    """norm(W_1 h) * norm(W_2 h) + norm(W_3 h), with torch's biases if there is no norm."""
    if layer.form != "full":
        raise ValueError(f"form {layer.form!r} of quadratic neurons has no limit here; allowed: form 'full'")
    pairs = ((layer.W_1, layer.norm_1), (layer.W_2, layer.norm_2), (layer.W_3, layer.norm_3))
    first, second, third = (laws.norm(laws.dense(h, W, bias=uniform_bias(W)), norm) for W, norm in pairs)
    return layer.product(first, second) + third


@register_limit("hpnets.models.glu.Bilinear")
def gated(net: Any, x: Input, laws: Laws) -> Moments:
    """h_l = act(W_l h_{l-1} + b_l) * (V_l h_{l-1} + c_l);   f = C h_depth + c;   biases are 0."""
    h = flat(x)
    for W_l, V_l in zip(net.W, net.V, strict=True):
        h = net.product(activation(laws.dense(h, W_l), net.act), laws.dense(h, V_l))
    return laws.dense(h, net.C)


no_limit("hpnets.models.dcn.DCN", "its cross layers are as wide as the input, so that their weights stay random")
