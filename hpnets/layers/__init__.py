"""The vocabulary that models are written in; torch only."""

from hpnets.layers.activations import make_activation
from hpnets.layers.checks import at_least, boolean, finite, image_shape, one_of
from hpnets.layers.norms import norm2d
from hpnets.layers.products import hadamard

__all__ = ["at_least", "boolean", "finite", "hadamard", "image_shape", "make_activation", "norm2d", "one_of"]
