"""Certificates against scipy, against Fourier series on circles, and between two samplings of one measure."""

import math

import pytest
import scipy.linalg
import torch
from torch import Tensor

from hpnets.theory import angle_kernel, angles, certificate

DEPTH, Z = 4, 0.2


def circles(t: Tensor) -> Tensor:
    """Points at the parameters t of the circle z = Z, then of z = -Z."""
    r = math.sqrt(1 - Z**2)
    flat = torch.stack([r * t.cos(), r * t.sin()], 1)
    return torch.cat([torch.cat([flat, torch.full((len(t), 1), z, dtype=t.dtype)], 1) for z in (Z, -Z)])


def labels(n: int) -> Tensor:
    return torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(n)


def even(n: int) -> Tensor:
    return 2 * math.pi * torch.arange(n, dtype=torch.float64) / n


def test_g_solves_the_system() -> None:
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(30, 40, generator=generator, dtype=torch.float64)
    K, zeta = A @ A.T, torch.randn(30, generator=generator, dtype=torch.float64)
    w = torch.rand(30, generator=generator, dtype=torch.float64) + 0.1
    solved = certificate(K, zeta, w)
    expected = torch.from_numpy(scipy.linalg.solve((K * w).numpy(), zeta.numpy()))
    torch.testing.assert_close(solved.g, expected, rtol=1e-8, atol=1e-10)
    assert solved.norm == pytest.approx(float((w * expected.square()).sum().sqrt()))
    assert solved.residual < 1e-10
    assert solved.condition == pytest.approx(float(torch.linalg.cond(w.sqrt()[:, None] * K * w.sqrt())), rel=1e-6)
    torch.testing.assert_close(certificate(K, zeta).g, 30 * torch.linalg.solve(K, zeta))


def test_on_coaxial_circles_g_is_the_label_over_a_mean_of_the_kernel() -> None:
    """K is invariant under turns, so +-1 is an eigenfunction: its eigenvalue is half the mean of K(same) - K(other)."""
    fine = angle_kernel(angles(circles(even(4000))[:1], circles(even(4000))), DEPTH)[0]
    eigenvalue = float(fine[:4000].mean() - fine[4000:].mean()) / 2
    solved = certificate(angle_kernel(angles(circles(even(200))), DEPTH), labels(200))
    torch.testing.assert_close(solved.g, labels(200) * float(solved.g[0]), rtol=1e-9, atol=1e-9)
    assert solved.norm == pytest.approx(1 / eigenvalue, rel=2e-3)


def test_weights_make_one_measure_of_two_samplings() -> None:
    """Points that are dense on one side, weighted by the share of the circle that each stands for."""
    s = even(400)
    t, share = s + 0.6 * s.sin(), 1 + 0.6 * s.cos()
    K, w = angle_kernel(angles(circles(t)), DEPTH), torch.cat([share, share]) / 800
    smooth = labels(400) + torch.cat([t.cos(), t.cos()])
    even_K, even_smooth = angle_kernel(angles(circles(s)), DEPTH), labels(400) + torch.cat([s.cos(), s.cos()])
    weighted, plain = certificate(K, smooth, w), certificate(K, smooth)
    assert weighted.norm == pytest.approx(certificate(even_K, even_smooth).norm, rel=0.01)
    assert plain.norm != pytest.approx(weighted.norm, rel=0.05)


def test_the_norm_bounds_what_gradient_flow_has_left() -> None:
    K = angle_kernel(angles(circles(even(50))), DEPTH)
    zeta = labels(50) + circles(even(50))[:, 0]
    for t in (1.0, 10.0, 100.0):
        left = torch.linalg.matrix_exp(-t * K / len(K)) @ zeta
        assert float(left.square().mean().sqrt()) < certificate(K, zeta).norm / (math.e * t)


def test_a_zeta_of_zero_has_the_certificate_zero() -> None:
    solved = certificate(torch.eye(3), torch.zeros(3))
    assert (solved.norm, solved.residual) == (0, 0)


def test_what_is_refused() -> None:
    K, zeta = torch.eye(3, dtype=torch.float64), torch.ones(3)
    twice = torch.cat([circles(even(4)), circles(even(4))[:1]])
    singular = "kernel is singular on these {} points: .* drop points that are there twice .*higher degree, or add a ri"
    with pytest.raises(ValueError, match=singular.format(9)):
        certificate(angle_kernel(angles(twice), 2), torch.ones(9))
    with pytest.raises(ValueError, match=singular.format(3)):
        certificate(-K, zeta)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 2\); allowed: \(N, N\)"):
        certificate(K[:, :2], zeta)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 3\); allowed: \(N, N\), without NaN or Inf"):
        certificate(K * math.nan, zeta)
    with pytest.raises(ValueError, match=r"zeta has shape \(2,\); allowed: \(3,\), one a point"):
        certificate(K, zeta[:2])
    with pytest.raises(ValueError, match=r"weights has shape \(4,\); allowed: \(3,\)"):
        certificate(K, zeta, torch.ones(4))
    with pytest.raises(ValueError, match="weights holds -1; allowed: > 0: drop points without weight"):
        certificate(K, zeta, torch.tensor([1.0, 2.0, -1.0]))
    with pytest.raises(ValueError, match=r"kernel is not symmetric; allowed: .*\(K \+ K.T\) / 2"):
        certificate(torch.tensor([[1.0, 0.5], [0.0, 1.0]]), torch.ones(2))
