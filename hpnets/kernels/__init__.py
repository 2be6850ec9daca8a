"""What a kernel matrix is good for: kernel regression, gradient flow and descent, and the curves that they follow."""

from hpnets.kernels.predicted_curves import learning_curves, steps_to_learn
from hpnets.kernels.predictor import Coefficients, KernelPredictor

__all__ = ["Coefficients", "KernelPredictor", "learning_curves", "steps_to_learn"]
