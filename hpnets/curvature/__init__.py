"""The curvature of a loss in its parameters: Hessian, Gauss-Newton and residual operators, and sharpness."""

from hpnets.curvature._loss import Loss, NetworkLoss, network_loss
from hpnets.curvature._operators import CurvatureOperator, directional_sharpness, gauss_newton, hessian, residual
from hpnets.curvature._sharpness import Sharpness, share_of, sharpness
from hpnets.curvature._weights import Weights, all_ones, learning_rate, rate_weights, stability_threshold
from hpnets.linalg import Density, Trace, density, trace

__all__ = [
    "CurvatureOperator",
    "Density",
    "Loss",
    "NetworkLoss",
    "Sharpness",
    "Trace",
    "Weights",
    "all_ones",
    "density",
    "directional_sharpness",
    "gauss_newton",
    "hessian",
    "learning_rate",
    "network_loss",
    "rate_weights",
    "residual",
    "share_of",
    "sharpness",
    "stability_threshold",
    "trace",
]
