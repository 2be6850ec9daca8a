"""The vocabulary that models are written in; torch only."""

from hpnets.layers.activations import make_activation
from hpnets.layers.checks import SampleShape, at_least, boolean, finite, image_shape, one_of, positive
from hpnets.layers.complex import ComplexActivation, ComplexLinear
from hpnets.layers.norms import norm1d, norm2d
from hpnets.layers.products import hadamard, make_product

__all__ = [
    "ComplexActivation",
    "ComplexLinear",
    "SampleShape",
    "at_least",
    "boolean",
    "finite",
    "hadamard",
    "image_shape",
    "make_activation",
    "make_product",
    "norm1d",
    "norm2d",
    "one_of",
    "positive",
]
