"""Uses of a kernel: regression, gradient flow, machines and their features, curves, Gaussian processes, labels."""

from hpnets.kernels._cholesky import Factor, jittered_cholesky
from hpnets.kernels.features import Eigenfeatures, Usefulness, eigenfeatures, usefulness
from hpnets.kernels.gaussian_process import Draws, GaussianProcess, KernelFunction, Posterior
from hpnets.kernels.hierarchy import NTH, nth_kernel
from hpnets.kernels.label_aware import HRKernel, PositivePart, positive_part
from hpnets.kernels.machine import KernelMachine, tangent_machine
from hpnets.kernels.predicted_curves import learning_curves, steps_to_learn
from hpnets.kernels.predictor import Coefficients, KernelPredictor

__all__ = [
    "NTH",
    "Coefficients",
    "Draws",
    "Eigenfeatures",
    "Factor",
    "GaussianProcess",
    "HRKernel",
    "KernelFunction",
    "KernelMachine",
    "KernelPredictor",
    "PositivePart",
    "Posterior",
    "Usefulness",
    "eigenfeatures",
    "jittered_cholesky",
    "learning_curves",
    "nth_kernel",
    "positive_part",
    "steps_to_learn",
    "tangent_machine",
    "usefulness",
]
