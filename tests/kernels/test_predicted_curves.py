"""Predicted learning curves against descent itself: with the matrix exactly, with the sphere's eigenvalues closely."""

import math

import pytest
import torch

from hpnets.kernels import learning_curves, steps_to_learn
from hpnets.tasks.sphere import sphere_points
from hpnets.theory import sphere_spectrum, zonal_coefficients, zonal_harmonics
from tests.theory import kappas


def test_components_of_the_matrix_follow_their_curves_exactly() -> None:
    """The residual under r <- r - (2 lr / n) K r, in K's eigenvectors: lambda = l / n, the empirical convention."""
    g = torch.Generator().manual_seed(0)
    x, n, lr = sphere_points(50, 3, g), 50, 0.1
    k = kappas.skip(3)((x @ x.T).clamp(-1, 1))
    l, v = torch.linalg.eigh(k)
    r = r0 = torch.randn(n, 1, generator=g, dtype=torch.float64)
    for _ in range(300):
        r = r - 2 * lr / n * k @ r
    left = learning_curves(l / n, lr, torch.tensor([300]))
    torch.testing.assert_close((v.T @ r)[:, 0], left[0] * (v.T @ r0)[:, 0], rtol=1e-9, atol=1e-12)


def test_harmonics_follow_the_curves_of_the_sphere() -> None:
    """The population convention: n = 2000 points, no n in the rate, within 5% of the start for N(d, k) << n."""
    g = torch.Generator().manual_seed(1)
    x, u, degrees, lr = sphere_points(2000, 3, g), sphere_points(1, 3, g)[0], (1, 2, 4), 0.1
    r = zonal_harmonics(x @ u, 3, 4)[list(degrees)].sum(0)[:, None]
    k = kappas.skip(3)((x @ x.T).clamp(-1, 1)) * (2 * lr / 2000)
    predicted = sphere_spectrum(kappas.skip(3), 3, 4).eigenvalues[list(degrees)]
    steps = torch.tensor([4, 16, 64])
    curves, done = learning_curves(predicted, lr, steps), 0
    for row, s in zip(curves, steps.tolist(), strict=True):
        for _ in range(s - done):
            r = r - k @ r
        done = s
        torch.testing.assert_close(zonal_coefficients(r, x, u, degrees)[:, 0], row, rtol=0, atol=0.05)
    assert curves[-1, 0] < 1e-6
    assert curves[-1, 2] > 0.2


def test_steps_to_learn_is_where_the_curve_crosses() -> None:
    l, lr = torch.tensor([3.0, 0.7, 1e-9, 0.0]), 0.3
    steps = steps_to_learn(l, lr, 0.1)
    assert steps[3] == math.inf
    for k in range(3):
        # |1 - 2 lr l| for the first, which overshoots.
        assert abs(1 - 2 * lr * float(l[k])) ** float(steps[k]) == pytest.approx(0.1, rel=1e-5)
    assert float(steps[2]) == pytest.approx(math.log(10) / (2 * 0.3e-9), rel=1e-6)


@pytest.mark.parametrize("lr", [0, -1, math.nan, math.inf, 0.5])
def test_rates_that_diverge_are_refused(lr: float) -> None:
    with pytest.raises(ValueError, match=r"lr is .*; allowed: > 0 and < 0.5, 1 / lambda_max"):
        learning_curves(torch.tensor([2.0, 1.0]), lr, torch.tensor([1]))


def test_what_is_no_eigenvalue_or_step_is_refused() -> None:
    for l in (math.nan, math.inf):
        with pytest.raises(ValueError, match="eigenvalues holds NaN or Inf"):
            steps_to_learn(torch.tensor([1.0, l]), 0.1)
    for step in (-1.0, math.nan):
        with pytest.raises(ValueError, match=r"steps is \[.*\]; allowed: numbers >= 0"):
            learning_curves(torch.tensor([1.0]), 0.1, torch.tensor([step]))


@pytest.mark.parametrize("left", [0, 1, -0.5, math.nan])
def test_what_is_left_is_a_share(left: float) -> None:
    with pytest.raises(ValueError, match="left is"):
        steps_to_learn(torch.tensor([1.0]), 0.1, left)
