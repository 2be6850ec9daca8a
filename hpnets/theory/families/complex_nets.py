"""Limits of the complex networks: the real rules hold with complex S and T; the real part is taken at the end only."""

from typing import Any

from hpnets.theory.complex_nodes import real_parts, split
from hpnets.theory.families.polynomial import check_factors, coupled
from hpnets.theory.laws import Laws, register_limit
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points

# For each activation with a closed form: the gain of a complex_mlp's layers, and the real function of both parts.
# modrelu is the identity at the start, where its b is 0.
_SPLIT = {"none": (1.0, "none"), "modrelu": (1.0, "none"), "split_relu": (2.0, "relu"), "split_tanh": (1.0, "tanh")}


@register_limit("hpnets.models.complex_mlp.ComplexMLP")
def complex_mlp(net: Any, x: Points, laws: Laws) -> Moments:
    r"""z_l = s((A_l + i B_l) z_{l-1});   f = Re(V z_depth).

    Re S and Re T of a layer follow from those of the layer before alone, and are twice the moments of a real net on
    [Re x; Im x], so that f is blind to Im <x, x'>.
    """
    gain, _ = _known(net)
    h = _complex(net, x, laws)
    for W_l, s in zip(net.W, net.s, strict=True):
        h = _feature(h, W_l, s, laws, gain)
    return laws.dense(real_parts(h), net.V, gain=2.0)


@register_limit("hpnets.models.complex_ccp.ComplexCCP")
def complex_ccp(net: Any, x: Points, laws: Laws) -> Moments:
    """y_1 = s(U_1 z);   y_n = s(U_n z) * y_{n-1} [+ y_{n-1}];   f = Re(C y_N) + b, b = 0."""
    check_factors(net)
    _known(net)
    z = _complex(net, x, laws)
    y, *others = (_feature(z, U_n, s, laws) for U_n, s in zip(net.U, net.s, strict=True))
    for factor in others:
        y = coupled(net, factor, y) if net.skip else net.product(factor, y)
    return laws.dense(real_parts(y), net.C, gain=2.0)


def _known(net: Any) -> tuple[float, str]:
    """The gain and the real function of the net's activation; ValueError if it is not of split kind."""
    name = net.s[0].name
    if name not in _SPLIT:
        raise ValueError(
            f"activation {name!r} of a complex net has no limit in closed form: it mixes real and imaginary part; "
            f"allowed: {', '.join(_SPLIT)}; or measure it by `ensemble_kernel`"
        )
    return _SPLIT[name]


def _complex(net: Any, x: Points, laws: Laws) -> Moments:
    laws.largest = 2  # a complex number takes as much memory as two real ones
    return x.complex(net.complex_input)


def _feature(h: Moments, W: Any, s: Any, laws: Laws, gain: float = 1.0) -> Moments:
    """s(W h), with A, B ~ N(0, gain / (2 fan_in)) and biases of 0."""
    for layer in (W.A, W.B):
        laws.draw(layer.weight, gain / (2 * layer.in_features))
    for constant in (W.a, W.b, getattr(s, "b", None)):
        laws.draw(constant, 0.0)
    return split(laws.gaussian(h, gain), _SPLIT[s.name][1])
