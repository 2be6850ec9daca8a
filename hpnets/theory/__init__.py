"""Infinite-width kernels, spectra on the sphere, and kernel regression, in float64."""

from hpnets.theory.harmonics import degree_energy, multiplicity, zonal_coefficients, zonal_harmonics
from hpnets.theory.sphere import SphereSpectrum, dot_product, funk_hecke, sphere_spectrum

__all__ = [
    "SphereSpectrum",
    "degree_energy",
    "dot_product",
    "funk_hecke",
    "multiplicity",
    "sphere_spectrum",
    "zonal_coefficients",
    "zonal_harmonics",
]
