"""Infinite-width kernels, spectra on the sphere, and kernel regression, in float64."""

from hpnets.theory.curves import learning_curves, steps_to_learn
from hpnets.theory.harmonics import degree_energy, multiplicity, zonal_coefficients, zonal_harmonics
from hpnets.theory.regression import Coefficients, KernelPredictor
from hpnets.theory.sphere import SphereSpectrum, dot_product, funk_hecke, sphere_spectrum

__all__ = [
    "Coefficients",
    "KernelPredictor",
    "SphereSpectrum",
    "degree_energy",
    "dot_product",
    "funk_hecke",
    "learning_curves",
    "multiplicity",
    "sphere_spectrum",
    "steps_to_learn",
    "zonal_coefficients",
    "zonal_harmonics",
]
