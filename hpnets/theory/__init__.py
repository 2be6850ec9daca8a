"""Infinite-width kernels, spectra on the sphere and certificates, in float64."""

from hpnets.theory import families
from hpnets.theory.activations import activation
from hpnets.theory.certificates import Certificate, certificate
from hpnets.theory.closed_forms import GELU, Cosine, Erf, LeakyReLU, Monomial, Sine
from hpnets.theory.deep_relu import angle_kernel, angle_map, angles
from hpnets.theory.harmonics import degree_energy, multiplicity, zonal_coefficients, zonal_harmonics
from hpnets.theory.laws import Laws, no_limit, register_limit
from hpnets.theory.limits import LimitKernel, init_variances, limit_kernel
from hpnets.theory.moments import Moments, add, multiply, rescale, scale, shift, translate
from hpnets.theory.nodes import average, average_pool, conv, dense, flatten, gather, mapped, normalise
from hpnets.theory.ntk_parametrised import ntk_parametrised_kernel
from hpnets.theory.points import Points, from_covariance, inputs
from hpnets.theory.quadrature import Quadrature
from hpnets.theory.ranks import product_rank
from hpnets.theory.sphere import SphereSpectrum, dot_product, funk_hecke, sphere_spectrum

__all__ = [
    "GELU",
    "Certificate",
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
    "SphereSpectrum",
    "activation",
    "add",
    "angle_kernel",
    "angle_map",
    "angles",
    "average",
    "average_pool",
    "certificate",
    "conv",
    "degree_energy",
    "dense",
    "dot_product",
    "families",
    "flatten",
    "from_covariance",
    "funk_hecke",
    "gather",
    "init_variances",
    "inputs",
    "limit_kernel",
    "mapped",
    "multiplicity",
    "multiply",
    "no_limit",
    "normalise",
    "ntk_parametrised_kernel",
    "product_rank",
    "register_limit",
    "rescale",
    "scale",
    "shift",
    "sphere_spectrum",
    "translate",
    "zonal_coefficients",
    "zonal_harmonics",
]
