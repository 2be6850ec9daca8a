"""The Frechet distance against closed forms and scipy's matrix root."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from hpnets.tasks.frechet import frechet_distance


def whitened(n: int, features: int, seed: int) -> Tensor:
    """n points with mean exactly 0 and covariance exactly the identity."""
    x = torch.randn(n, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (n - 1))).T


def test_closed_form_of_gaussians_with_commuting_covariances() -> None:
    """|m_a - m_b|^2 + sum_k (sigma_a,k - sigma_b,k)^2, in any rotated basis."""
    q, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64))
    s_a, s_b = torch.tensor([1.0, 2.0, 0.5, 3.0]).double(), torch.tensor([1.0, 0.5, 4.0, 0.0]).double()
    shift = torch.tensor([1.0, -2.0, 0.0, 2.0]).double()
    a, b = whitened(50, 4, 0) * s_a @ q.T, whitened(60, 4, 1) * s_b @ q.T + shift
    expected = float(shift.square().sum() + (s_a - s_b).square().sum())
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


def test_closed_form_in_one_dimension() -> None:
    a, b = whitened(20, 1, 0) * 2 + 1, whitened(30, 1, 1) * 5 - 3
    assert frechet_distance(a, b) == pytest.approx(4**2 + (2 - 5) ** 2)


@pytest.mark.parametrize(("n", "features"), [(200, 6), (5, 12)])
def test_scipys_matrix_root_gives_the_same(n: int, features: int) -> None:
    """Covariances that do not commute; at n = 5 of rank 4 in 12 dimensions, too."""
    g = torch.Generator().manual_seed(2)
    factors = (torch.randn(features, features, generator=g, dtype=torch.float64) for _ in range(2))
    a, b = (torch.randn(n, features, generator=g, dtype=torch.float64) @ factor for factor in factors)
    s_a, s_b = np.cov(a.numpy().T), np.cov(b.numpy().T)
    ridge = 1e-12 * np.eye(features)
    root = sqrtm((s_a + ridge) @ (s_b + ridge))
    expected = ((a - b).mean(0) ** 2).sum().item() + np.trace(s_a + s_b - 2 * np.real(root))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_equal_samples_are_at_distance_0_and_float32_is_raised_to_float64() -> None:
    a = whitened(30, 5, 0)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a.flip(0), a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a.float(), 2 * a.float()) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), r"\(3, 2\) and \(3, 4\); allowed: \(n, F\) with the same F"),
        (torch.zeros(1, 2), torch.zeros(3, 2), r"\(1, 2\) and .* n >= 2"),
        (torch.zeros(3, 2, 2), torch.zeros(3, 2, 2), "allowed"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 2), "hold NaN or Inf"),
    ],
)
def test_what_has_no_distance_is_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)
