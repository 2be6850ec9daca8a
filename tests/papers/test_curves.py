"""What the study of two curves computes, against formulas of its own and plain loops."""

import math

import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor

from hpnets.papers.curves import cells
from hpnets.papers.parts.curve_kernels import even, irregular
from hpnets.papers.parts.labelled_curves import curves_of, points_of, wrong
from hpnets.papers.parts.sphere_kernels import limit
from hpnets.theory import angles


def parts(v: Tensor) -> tuple[Tensor, Tensor]:
    """P and D of one ReLU feature at unit norm, from the angle."""
    return (v.sin() + (math.pi - v) * v.cos()) / math.pi, (1 - v / math.pi) * v.cos()


def test_limits_are_functions_of_the_angle() -> None:
    x, _ = points_of(curves_of("sinusoid-0.24", 0), 10, seed=0)
    v = angles(x)
    P, D = parts(v)
    for N in (1, 4):
        K, twin = limit("pnn", N, x), limit("pnn-sum", N, x)
        torch.testing.assert_close(K / K[0, 0], (P**N + N * P ** (N - 1) * D) / (N + 1), rtol=1e-9, atol=1e-9)
        flat = (N - 1) / math.pi  # the features' means
        torch.testing.assert_close(twin / twin[0, 0], (P + D + flat) / (2 + flat), rtol=1e-9, atol=1e-9)
    c = v[:, :2].cos()
    expected = 2 * c * (1 + c) ** 2 + 2 * c**2 * (1 + c)
    torch.testing.assert_close(limit("ccp", 3, x, x[:2]), expected, rtol=1e-9, atol=1e-9)


def test_half_widths_tend_to_what_is_derived() -> None:
    u = brentq(lambda u: 3 * u**3 - 2 * (u**2 + u + 1), 1, 2)
    rounded = math.sqrt(2 * math.log(2))
    share = 0.5 / (1.5 + 2 / math.sqrt(2 * math.pi))
    sizes = {"mlp": 400, "pnn": 100, "pnn_skip": 200}
    widths = {name: cells.decay(name, size, "cpu")["half_width"] for name, size in sizes.items()}
    assert widths["mlp"] * 400 == pytest.approx(3 * math.pi * (u - 1), rel=0.02)
    assert widths["pnn"] * 10 == pytest.approx(rounded, rel=0.03)
    assert widths["pnn_skip"] * math.sqrt(1 + 199 * share) == pytest.approx(rounded, rel=0.04)


def test_slopes_at_0() -> None:
    assert cells.decay("mlp", 6, "cpu")["slope"] == pytest.approx(7 / (2 * math.pi), rel=1e-3)
    assert cells.decay("pnn", 3, "cpu")["slope"] == pytest.approx(3 / (4 * math.pi), rel=1e-3)
    assert cells.decay("ccp", 3, "cpu")["slope"] == pytest.approx(0, abs=1e-4)


def test_steps_are_those_of_a_loop_of_descent() -> None:
    measured = even("pnn", 4, "sinusoid-0.24", 0, 40, "cpu")
    curves = curves_of("sinusoid-0.24", 0)
    (x, y), (z, right) = points_of(curves, 40), points_of(curves, 40, 0.5)
    K, cross = limit("pnn", 4, x), limit("pnn", 4, z, x)
    c, steps = torch.zeros_like(y), 0
    while wrong(cross @ c, right) > 0:
        c, steps = c + (y - K @ c) / (2 * torch.linalg.eigvalsh(K)[-1]), steps + 1
    assert measured["steps"] == steps > 5
    assert measured["unit"] == pytest.approx(float(K[0, 0] * 80**0.5 * torch.linalg.solve(K, y).norm()))


def test_a_polynomial_kernel_has_the_rank_of_its_monomials_on_the_curves() -> None:
    for curve, N, rank in (("coaxial-0.1", 3, 12), ("sinusoid-0.24", 3, 16), ("coaxial-0.1", 6, 24)):
        measured = even("ccp", N, curve, 0, 30, "cpu")
        assert (measured["rank"], measured["unit"], measured["raw"]) == (rank, None, None)


def test_random_points_are_fitted_in_the_limit() -> None:
    curves = curves_of("fourier-5", 1)
    x, y = points_of(curves, 12, seed=1)
    z, right = points_of(curves, 30)
    f = limit("mlp", 3, z, x) @ torch.linalg.solve(limit("mlp", 3, x), y)
    errors = irregular("mlp", 3, "fourier-5", 12, 30, 2, "cpu")["error"]
    assert errors[1] == 100 * float((f.sign() != right).double().mean()) > 0
    assert wrong(torch.tensor([[math.nan], [0.0], [1.0], [-1.0]]), torch.ones(4, 1)) == 75


def test_wide_networks_have_the_kernel_and_learn_circles() -> None:
    narrow, wide = (cells.shape(width, 3, 0, 20, "cpu") for width in (32, 512))
    assert wide["error"] < 0.05 < narrow["error"]
    assert wide["relative"] < narrow["relative"]
    net = cells.trained("mlp", 2, 1.0, 60, "coaxial-0.4", 20, False, 256, 0, 20, "cpu")
    assert net == {"validation": 0, "error": 0}
