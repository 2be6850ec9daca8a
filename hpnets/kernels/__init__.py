"""Uses of a kernel matrix: kernel regression, gradient flow and descent, and the learning curves that they follow."""

from hpnets.kernels.predicted_curves import learning_curves, steps_to_learn
from hpnets.kernels.predictor import Coefficients, KernelPredictor

__all__ = ["Coefficients", "KernelPredictor", "learning_curves", "steps_to_learn"]
