"""Infinite-width kernels, spectra on the sphere, kernel regression: torch and scipy, in float64."""

from hpnets.theory import families
from hpnets.theory.activations import GELU, Cosine, Erf, LeakyReLU, Monomial, Sine, activation
from hpnets.theory.inputs import Points, from_covariance, inputs
from hpnets.theory.laws import Laws, no_limit, register_limit
from hpnets.theory.limits import LimitKernel, init_variances, limit_kernel
from hpnets.theory.moments import Moments, add, multiply, rescale, scale, shift, translate
from hpnets.theory.nodes import average, average_pool, conv, dense, flatten, gather, mapped, normalise
from hpnets.theory.quadrature import Quadrature
from hpnets.theory.twin import twin_kernel

__all__ = [
    "GELU",
    "Cosine",
    "Erf",
    "Laws",
    "LeakyReLU",
    "LimitKernel",
    "Moments",
    "Monomial",
    "Points",
    "Quadrature",
    "Sine",
    "activation",
    "add",
    "average",
    "average_pool",
    "conv",
    "dense",
    "families",
    "flatten",
    "from_covariance",
    "gather",
    "init_variances",
    "inputs",
    "limit_kernel",
    "mapped",
    "multiply",
    "no_limit",
    "normalise",
    "register_limit",
    "rescale",
    "scale",
    "shift",
    "translate",
    "twin_kernel",
]
