"""The vocabulary that models are written in; torch only."""

from hpnets.layers.activations import make_activation
from hpnets.layers.branches import BranchScale
from hpnets.layers.complex import ComplexActivation, ComplexLinear, complex_features, complex_product, complex_size
from hpnets.layers.norms import norm1d, norm2d
from hpnets.layers.products import hadamard, make_product
from hpnets.layers.sample_shape import SampleShape

__all__ = [
    "BranchScale",
    "ComplexActivation",
    "ComplexLinear",
    "SampleShape",
    "complex_features",
    "complex_product",
    "complex_size",
    "hadamard",
    "make_activation",
    "make_product",
    "norm1d",
    "norm2d",
]
