"""Uses of a kernel: regression, gradient flow and descent, learning curves, Gaussian processes."""

from hpnets.kernels._cholesky import Factor, jittered_cholesky
from hpnets.kernels.gaussian_process import Draws, GaussianProcess, KernelFunction, Posterior
from hpnets.kernels.predicted_curves import learning_curves, steps_to_learn
from hpnets.kernels.predictor import Coefficients, KernelPredictor

__all__ = [
    "Coefficients",
    "Draws",
    "Factor",
    "GaussianProcess",
    "KernelFunction",
    "KernelPredictor",
    "Posterior",
    "jittered_cholesky",
    "learning_curves",
    "steps_to_learn",
]
