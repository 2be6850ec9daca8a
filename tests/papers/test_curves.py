"""What the study of two curves computes, against formulas of its own and plain loops."""

import math

import pytest
import torch
from torch import Tensor

from hpnets.papers.curves import cells
from hpnets.theory import angles


def product_kernel(v: Tensor, N: int, share: float = 1.0) -> Tensor:
    """Of pnn at unit diagonal, from the angle: (P^N + N P^(N-1) D) / (N + 1)."""
    P = (v.sin() + (math.pi - v) * v.cos()) / math.pi
    return (P**N + N * P ** (N - 1) * (1 - v / math.pi) * v.cos()) / (N + 1)


def test_limits_are_functions_of_the_angle() -> None:
    x, _ = cells.random_points(cells.curves_of("sinusoid-0.24", 0), 10, 0)
    v = angles(x)
    for N in (1, 4):
        K = cells.limit("pnn", N, x)
        torch.testing.assert_close(K / K[0, 0], product_kernel(v, N), rtol=1e-9, atol=1e-9)
        twin = cells.limit("pnn-sum", N, x)
        torch.testing.assert_close(twin / twin[0, 0], product_kernel(v, 1), rtol=1e-9, atol=1e-9)
    K = cells.limit("ccp", 3, x, x[:2])
    inner = v[:, :2].cos()
    torch.testing.assert_close(K, (1 + inner) * (inner + inner * (1 + inner) + 2 * inner**2), rtol=1e-9, atol=1e-9)


def test_half_widths_tend_to_what_is_derived() -> None:
    u = 1.446567  # 3 u^3 = 2 (u^2 + u + 1)
    assert 3 * u**3 == pytest.approx(2 * (u**2 + u + 1), abs=1e-5)
    deep, wide = cells.decay("mlp", 400, "cpu"), cells.decay("pnn", 400, "cpu")
    assert deep["half_width"] * 400 == pytest.approx(3 * math.pi * (u - 1), rel=0.02)
    assert wide["half_width"] * 20 == pytest.approx(math.sqrt(2 * math.log(2)), rel=0.02)
    share = 0.5 / (1.5 + 2 / math.sqrt(2 * math.pi))
    skip = cells.decay("pnn_skip", 400, "cpu")["half_width"] * math.sqrt(1 + 399 * share)
    assert skip == pytest.approx(math.sqrt(2 * math.log(2)), rel=0.03)


def test_slopes_at_0() -> None:
    assert cells.decay("mlp", 6, "cpu")["slope"] == pytest.approx(7 / (2 * math.pi), rel=1e-3)
    assert cells.decay("pnn", 3, "cpu")["slope"] == pytest.approx(3 / (4 * math.pi), rel=1e-3)
    assert cells.decay("ccp", 3, "cpu")["slope"] == pytest.approx(0, abs=1e-4)
