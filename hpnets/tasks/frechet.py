"""The Frechet distance of two samples' Gaussians, by which generated pictures are measured."""

import torch
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    r"""The squared Wasserstein-2 distance of the Gaussians with the means and covariances of two samples.

        d^2 = |m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a^(1/2) S_b S_a^(1/2))^(1/2)

    a: (n_a, F), b: (n_b, F) feature vectors; computed in float64, S with the divisor n - 1. At finite n the estimate is
    biased upwards, the more the more features there are: compare at equal n, and beside the distance of two real sets.
    Raises ValueError for samples of fewer than 2, of different features, or not finite.
    Source: Dowson and Landau 1982; as a measure of generators Heusel et al. 2017 (arXiv 1706.08500).
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"samples have the shapes {tuple(a.shape)} and {tuple(b.shape)}; allowed: (n, F) with the same F and n >= 2"
        )
    a, b = a.double(), b.double()
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("samples hold NaN or Inf; allowed: finite features")
    s_a, s_b = torch.cov(a.T).reshape(2 * a.shape[1:]), torch.cov(b.T).reshape(2 * b.shape[1:])
    root = _root(s_a)
    overlap = torch.linalg.eigvalsh(root @ s_b @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + s_a.trace() + s_b.trace() - 2 * overlap
    return max(0.0, float(distance))


def _root(s: Tensor) -> Tensor:
    """The symmetric root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(s)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T
