"""Harmonics against scipy's polynomials and exact counts; projections of functions whose parts are known."""

import math

import pytest
import torch
from scipy.special import eval_gegenbauer, roots_jacobi

from hpnets.tasks.sphere import sphere_points, zonal
from hpnets.theory import degree_energy, multiplicity, zonal_coefficients, zonal_harmonics


@pytest.mark.parametrize("dim", [2, 3, 4, 10, 100])
def test_the_recurrence_agrees_with_scipy(dim: int) -> None:
    t = torch.linspace(-1, 1, 41, dtype=torch.float64)
    table = zonal_harmonics(t, dim, 64)
    assert table.shape == (65, 41)
    for k in (0, 1, 2, 5, 31, 64):
        torch.testing.assert_close(table[k], torch.from_numpy(zonal(k, dim, t.numpy())), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 10, 100])
def test_it_is_stable_to_degree_256(dim: int) -> None:
    t = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    table = zonal_harmonics(t, dim, 256)
    assert float(table.abs().max()) <= 1 + 1e-12
    torch.testing.assert_close(table[:, -1], torch.ones(257, dtype=torch.float64), rtol=0, atol=1e-12)
    nodes, w = (torch.from_numpy(a) for a in roots_jacobi(300, (dim - 3) / 2, (dim - 3) / 2))
    means = (zonal_harmonics(nodes, dim, 256).square() * (w / w.sum())).sum(1)
    counts = torch.tensor([1 / multiplicity(k, dim) for k in range(257)], dtype=torch.float64)
    torch.testing.assert_close(means, counts, rtol=1e-7, atol=0)


@pytest.mark.parametrize(("k", "leak"), [(3, 0.0136), (12, 0.0977)])
def test_trap_3_the_index_is_half_of_d_minus_two(k: int, leak: float) -> None:
    """C^((d-1)/2) is not orthogonal to the other degrees at d = 10; ours is C^((d-2)/2)."""
    nodes, w = (torch.from_numpy(a) for a in roots_jacobi(60, 3.5, 3.5))
    table, w = zonal_harmonics(nodes, 10, 40), w / w.sum()
    ours, wrong = table[k], torch.from_numpy(eval_gegenbauer(k, 4.5, nodes.numpy()))
    for p, expected in ((ours, 0.0), (wrong, leak)):
        inside = float((w * p * ours).sum() ** 2 / (w * ours**2).sum() / (w * p**2).sum())
        assert 1 - inside == pytest.approx(expected, abs=1e-4)


def test_multiplicities_are_exact() -> None:
    assert [multiplicity(k, 2) for k in range(4)] == [1, 2, 2, 2]
    assert [multiplicity(k, 3) for k in range(5)] == [1, 3, 5, 7, 9]
    assert multiplicity(12, 10) == 201552
    # Homogeneous polynomials of degree k are harmonics of degrees k, k - 2, ...
    assert sum(multiplicity(k, 100) for k in range(256, -1, -2)) == math.comb(256 + 99, 99)


def test_coefficients_of_a_sum_of_harmonics_are_exact() -> None:
    g = torch.Generator().manual_seed(0)
    x, u = sphere_points(300, 10, g), sphere_points(1, 10, g)[0]
    degrees, a = (1, 3, 4, 5, 8, 12), torch.randn(6, 2, generator=g, dtype=torch.float64)
    values = zonal_harmonics(x @ u, 10, 12)[list(degrees)].T @ a
    torch.testing.assert_close(zonal_coefficients(values, x, u, degrees), a, rtol=1e-9, atol=1e-9)
    # float32 points, of norm 1 to rounding only, as a task holds them.
    torch.testing.assert_close(zonal_coefficients(values, x.float(), u, degrees), a, rtol=0, atol=1e-4)


def test_noise_of_coefficients_is_as_told() -> None:
    """Independent noise of standard deviation s adds s sqrt(N(d, k) / N)."""
    g = torch.Generator().manual_seed(1)
    x, u = sphere_points(4000, 3, g), torch.tensor([0.0, 0.0, 1.0])
    a = zonal_coefficients(0.5 * torch.randn(4000, 200, generator=g, dtype=torch.float64), x, u, (1, 6))
    expected = torch.tensor([(0.25 * multiplicity(k, 3) / 4000) ** 0.5 for k in (1, 6)])
    torch.testing.assert_close(a.std(1).float(), expected, rtol=0.15, atol=0)


def test_energies_of_known_parts_within_their_standard_error() -> None:
    g = torch.Generator().manual_seed(2)
    x = sphere_points(3000, 4, g)
    # 2 P_2(<x, e1>) has mean square 4 / N(4, 2); x_2 x_3 is of degree 2, too, with mean square 1 / (d (d+2)).
    values = torch.stack([0.7 + 2 * zonal_harmonics(x[:, 0], 4, 2)[2], 3 * x[:, 1] * x[:, 2] + x[:, 3]], dim=1)
    energy = degree_energy(values, x, 4)
    expected = torch.tensor([[0.49, 0], [0, 1 / 4], [4 / 9, 9 / 24], [0, 0], [0, 0]], dtype=torch.float64)
    total = expected.sum(0)
    bar = torch.stack([total * (2 * multiplicity(k, 4)) ** 0.5 / 3000 for k in range(5)])
    noise_of_parts = 2 * (expected * total / 3000).sqrt()  # the cross term with the mean over the points
    assert ((energy - expected).abs() < 5 * (bar + noise_of_parts)).all()


def test_energy_has_no_bias() -> None:
    """The mean over draws of a pure degree-1 function's energy at degree 5 is 0, not |f|^2 N(d, 5) / n."""
    measured = []
    for seed in range(40):
        x = sphere_points(60, 3, torch.Generator().manual_seed(seed))
        measured.append(degree_energy(x[:, :1], x, 5)[[1, 5], 0])
    mean, error = torch.stack(measured).mean(0), torch.stack(measured).std(0) / 40**0.5
    assert float(mean[0]) == pytest.approx(1 / 3, abs=4 * float(error[0]))
    assert abs(float(mean[1])) < 4 * float(error[1])
    assert 4 * float(error[1]) < 11 / 60 / 3  # a biased estimate would be seen


X = sphere_points(5, 3, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zonal_coefficients(X[:, :1], 2 * X, X[0], (1,)), r"x has norms from 2 to 2; allowed: 1.*divide x by"),
        (lambda: zonal_coefficients(X[:, :1], X, 3 * X[0], (1,)), "direction has norms from 3 to 3"),
        (lambda: zonal_coefficients(X[:, 0], X, X[0], (1,)), r"values has shape \(5,\); allowed: \(5, O\)"),
        (lambda: zonal_coefficients(X[:, :1], X, X[0], (1, 2, 3, 4, 5, 6)), "allowed: 1 to 5"),
        (lambda: zonal_coefficients(X[:, :1], X, X[0], (-1,)), "integers >= 0"),
        (lambda: degree_energy(X[:, :1], X.flatten(), 2), r"x has shape \(15,\)"),
        (lambda: degree_energy(X[:, :1] , X * torch.nan, 2), "x has norms from nan"),
        (lambda: degree_energy(X[:3, :1], X, 2), r"values has shape \(3, 1\)"),
        (lambda: degree_energy(X[:, :1], X, -2), "k is -2"),
        (lambda: multiplicity(2, 1), "dim is 1; allowed: an integer >= 2"),
        (lambda: multiplicity(2.5, 3), "k is 2.5; allowed: an integer >= 0"),
        (lambda: zonal_coefficients(X[:, :1] * torch.nan, X, X[0], (1,)), "without NaN or Inf"),
        (lambda: zonal_coefficients(X[:, :1], X, X[0], (1, 1)), "different integers"),
        (lambda: zonal_coefficients(X[:, :1], X, X[0], (1, 1.5)), "different integers"),
        (lambda: degree_energy(X[:, :1] * torch.nan, X, 2), "without NaN or Inf"),
        (lambda: degree_energy(X[:, :1] * 1e200, X, 2), r"values is of size \d.*e\+199; allowed: numbers"),
    ],
)  # fmt: skip
def test_bad_input(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
