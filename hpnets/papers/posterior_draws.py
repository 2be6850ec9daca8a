"""Draws of a posterior beside the posterior itself."""

import torch
from torch import Tensor

from hpnets.bandits.objectives import sphere_points
from hpnets.kernels import Posterior


def problem(network: str, observed: int, unseen: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points X of S^2 with targets sin(3 x_1) + x_2 x_3 of noise .1, and other points."""
    x = sphere_points(observed + unseen, 3, seed)
    noise = torch.randn(observed, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    y = (3 * x[:observed, 0]).sin() + x[:observed, 1] * x[:observed, 2]
    return x[:observed], y.double() + 0.1 * noise, x[observed:]


def distances(f: Tensor, posterior: Posterior) -> dict[str, float]:
    """How far the mean and covariance of draws (R, M) are from a posterior's, and what R draws leave to chance.

    Floors: sqrt(tr C / R) / |m| for the mean, sqrt((1 + tr^2 C / |C|^2) / R) for the covariance.
    """
    m, C, count = posterior.mean[:, 0], posterior.covariance, len(f)
    trace, size = float(C.trace()), float(C.norm())
    return {
        "mean": float((f.mean(0) - m).norm() / m.norm()),
        "mean floor": (trace / count) ** 0.5 / float(m.norm()),
        "covariance": float((torch.cov(f.T) - C).norm()) / size,
        "covariance floor": ((1 + trace**2 / size**2) / count) ** 0.5,
    }


def lost(K: Tensor, cross: Tensor, s: float, C: Tensor) -> float:
    """|s^2 T* A^2 T*'| / |C|, A = (T + s^2)^-1: the covariance that draws lack without noise on their targets."""
    solved = torch.linalg.solve(K + s**2 * torch.eye(len(K)).to(K), cross.T)
    return s**2 * float((solved.T @ solved).norm() / C.norm())
