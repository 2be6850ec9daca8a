"""Uses of a kernel: regression, gradient flow and descent, machines and their features, curves, Gaussian processes."""

from hpnets.kernels._cholesky import Factor, jittered_cholesky
from hpnets.kernels.features import Eigenfeatures, Usefulness, eigenfeatures, usefulness
from hpnets.kernels.gaussian_process import Draws, GaussianProcess, KernelFunction, Posterior
from hpnets.kernels.machine import KernelMachine, tangent_machine
from hpnets.kernels.predicted_curves import learning_curves, steps_to_learn
from hpnets.kernels.predictor import Coefficients, KernelPredictor

__all__ = [
    "Coefficients",
    "Draws",
    "Eigenfeatures",
    "Factor",
    "GaussianProcess",
    "KernelFunction",
    "KernelMachine",
    "KernelPredictor",
    "Posterior",
    "Usefulness",
    "eigenfeatures",
    "jittered_cholesky",
    "learning_curves",
    "steps_to_learn",
    "tangent_machine",
    "usefulness",
]
