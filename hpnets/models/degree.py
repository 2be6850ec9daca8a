"""The degree of a network as a polynomial of its input."""

from torch import nn

from hpnets.layers import BranchScale, ComplexActivation
from hpnets.layers.products import added

_AFFINE = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d, nn.Identity, BranchScale)
_EMPTY = (nn.Sequential, nn.ModuleList)


def polynomial_degree(net: nn.Module) -> int | None:
    """The degree of f in x in eval mode, None where f is no polynomial of x, or is not known to be one.

    The class of the net states it by a method `degree_in_x`, which holds where all layers are affine maps, so that only
    products bend f: there is no activation, and no norm but BatchNorm, which is affine in eval mode. An additive twin
    has degree 1. A net whose gates are closed, alpha = 0, has a lower degree than this says.
    """
    stated = getattr(net, "degree_in_x", lambda: None)()
    layers = [m for m in net.modules() if not list(m.children())]
    if stated is None or not all(map(_affine, layers)):
        return None
    return 1 if any(getattr(m, "product", None) is added for m in net.modules()) else stated


def _affine(layer: nn.Module) -> bool:
    return isinstance(layer, _AFFINE + _EMPTY) or (isinstance(layer, ComplexActivation) and layer.name == "none")
