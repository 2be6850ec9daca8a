"""The angle map and the kernel psi against 40 digits, drawn features, autograd of finite nets, and the mlp's limit."""

import itertools
import math

import mpmath
import pytest
import torch
from torch import Tensor

from hpnets.models import create_model
from hpnets.theory import angle_kernel, angle_map, angles, limit_kernel

V = torch.tensor([0.0, 1e-8, 1e-3, 0.1, 0.4999, 0.5001, 1.0, 2.0, 3.0, math.pi], dtype=torch.float64)


def exact_map(v: float) -> float:
    with mpmath.workdps(60):
        v = mpmath.mpf(v)
        return float(mpmath.acos(min(1, (1 - v / mpmath.pi) * mpmath.cos(v) + mpmath.sin(v) / mpmath.pi)))


def test_the_map_has_all_digits_also_of_small_angles() -> None:
    expected = torch.tensor([exact_map(float(v)) for v in V], dtype=torch.float64)
    torch.testing.assert_close(angle_map(V), expected, rtol=1e-14, atol=0)


def test_the_map_is_the_angle_of_drawn_features() -> None:
    v = torch.tensor([0.3, 1.5, 2.8], dtype=torch.float64)
    x = torch.stack([v.cos(), v.sin()], 1)
    W = torch.randn(2, 10**6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, a_0 = torch.relu(x @ W), torch.relu(W[:1])
    drawn = torch.nn.functional.cosine_similarity(a, a_0).arccos()
    torch.testing.assert_close(angle_map(v), drawn, rtol=0, atol=4e-3)


def finite_kernel(x: Tensor, depth: int, width: int, seed: int) -> Tensor:
    """K / n of hidden weights N(0, 2/n) and a read-out N(0, 1), by autograd alone."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [x.shape[1], *[width] * depth]
    W = [
        (torch.randn(b, a, generator=generator, dtype=torch.float64) * (2 / width) ** 0.5).requires_grad_()
        for a, b in itertools.pairwise(sizes)
    ]
    read_out = torch.randn(width, generator=generator, dtype=torch.float64)
    rows = []
    for point in x:
        for W_l in W:
            point = torch.relu(W_l @ point)
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(read_out @ point, W)]))
    J = torch.stack(rows)
    return J @ J.T / width


@pytest.mark.parametrize("depth", [1, 3])
def test_psi_is_the_mean_kernel_of_finite_networks(depth: int) -> None:
    v = torch.tensor([0.0, 0.2, 1.0, 2.5], dtype=torch.float64)
    x = torch.stack([v.cos(), v.sin(), 0 * v], 1)
    drawn = torch.stack([finite_kernel(x, depth, 256, seed) for seed in range(60)])
    mean, error = drawn.mean(0), drawn.std(0) / 60**0.5
    off = (angle_kernel(angles(x), depth) - mean).abs()
    assert (off < 4 * error + 0.01 * depth).all()  # a finite width leaves a bias of order depth / width
    assert (error < 0.03 * depth).all()


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_psi_is_the_limit_of_the_mlp_but_for_its_read_out(depth: int) -> None:
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.cat([x, -x[:3]])
    x = x / x.norm(dim=1, keepdim=True)
    net = create_model("mlp", input_shape=(4,), output_dim=1, depth=depth, width=1)
    S, T = limit_kernel(net, x)
    torch.testing.assert_close(angle_kernel(angles(x), depth), 4 * (T - S) / 2, rtol=1e-9, atol=1e-9)
    phi = angles(x)
    for _ in range(depth):
        phi = angle_map(phi)
    torch.testing.assert_close(phi.cos(), 4 * S, rtol=1e-9, atol=1e-9)


def test_the_kernel_at_both_ends_and_its_cusp() -> None:
    """psi(0) = L / 2, and psi falls from there as 1 - (L + 1) v / (2 pi)."""
    for depth in (1, 2, 10, 80):
        at_0, near = angle_kernel(torch.tensor([0.0, 1e-7], dtype=torch.float64), depth)
        assert float(at_0) == depth / 2
        assert float((1 - near / at_0) / 1e-7) == pytest.approx((depth + 1) / (2 * math.pi), rel=1e-5)
    assert float(angle_kernel(torch.tensor(math.pi, dtype=torch.float64), 1)) == pytest.approx(0, abs=1e-15)


def test_angles_keep_their_digits() -> None:
    v = torch.tensor([1e-9, 1e-4, 1.0, 3.0, math.pi - 1e-6], dtype=torch.float64)
    x = torch.stack([v.cos(), v.sin()], 1)
    torch.testing.assert_close(angles(torch.tensor([[1.0, 0.0]]), x)[0], v, rtol=1e-9, atol=0)
    assert (angles(x).diagonal() == 0).all()


def test_what_is_refused() -> None:
    x = torch.eye(3)
    with pytest.raises(ValueError, match=r"x1 holds a point of norm 2; allowed: 1: x1 / x1.norm"):
        angles(2 * x)
    with pytest.raises(ValueError, match="x2 holds a point of norm nan; allowed: 1"):
        angles(x, x * math.nan)
    with pytest.raises(ValueError, match=r"x1 has shape \(3,\); allowed: \(N, d\), points of the sphere"):
        angles(x[0])
    for wrong in (3.2, -0.1, math.nan):
        with pytest.raises(ValueError, match=f"v is {wrong}.*; allowed: angles from 0 to pi"):
            angle_map(torch.tensor(wrong))
    with pytest.raises(ValueError, match="depth is 0; allowed: an integer >= 1"):
        angle_kernel(torch.zeros(2), 0)
