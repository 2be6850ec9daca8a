"""Conjugate gradients against scipy's dense solve; residuals that are recomputed, a `converged` that can say no."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from hpnets.linalg import LowRank, low_rank, solve
from hpnets.ntk import NTKOperator
from tests.linalg.oracles import loop_kernel, power_law, small_net, with_eigenvalues


def dense_solution(k: Tensor, b: Tensor, ridge: float) -> Tensor:
    matrix = k.numpy() + ridge * np.eye(len(k))
    return torch.from_numpy(scipy.linalg.solve(matrix, b.numpy(), assume_a="pos"))


def right_sides(n: int, *k: int) -> Tensor:
    return torch.randn(n, *k, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("preconditioner", ["nystrom", None])
@pytest.mark.parametrize("shape", [(), (1,), (4,)])
def test_solutions_are_those_of_the_dense_solve(preconditioner: str | None, shape: tuple[int, ...]) -> None:
    k, b = with_eigenvalues(power_law(200, 1.5)), right_sides(200, *shape)
    result = solve(k, b, ridge=1e-3, preconditioner=preconditioner, tol=1e-11)
    assert result.converged
    assert result.x.shape == b.shape
    x = dense_solution(k, b, 1e-3)
    assert float((result.x - x).norm() / x.norm()) < 1e-7
    flat = b.reshape(200, -1)
    residual = flat - (k + 1e-3 * torch.eye(200, dtype=torch.float64)) @ result.x.reshape(200, -1)
    torch.testing.assert_close(result.residual, residual.norm(dim=0) / flat.norm(dim=0), rtol=1e-2, atol=1e-14)


def test_columns_of_very_different_size_are_solved_alike() -> None:
    k = with_eigenvalues(power_law(100, 1.0))
    b = right_sides(100, 3) * torch.tensor([1e-8, 1.0, 1e8])
    result = solve(k, b, ridge=1e-2, tol=1e-10)
    x = dense_solution(k, b, 1e-2)
    assert float(((result.x - x).norm(dim=0) / x.norm(dim=0)).max()) < 1e-8


def test_the_preconditioner_saves_iterations_and_a_better_one_more() -> None:
    k, b = with_eigenvalues(power_law(400, 2.0)), right_sides(400)
    plain, nystrom, larger = (
        solve(k, b, ridge=1e-6, tol=1e-8, preconditioner=p).iterations for p in (None, "nystrom", low_rank(k, 200))
    )
    assert larger < nystrom < plain / 3


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_kernel_regression_of_a_network_matrix_free(dtype: torch.dtype, tol: float) -> None:
    net, x = small_net(), torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    k, y = loop_kernel(net, x, "full"), right_sides(90)
    result = solve(NTKOperator(net.to(dtype), x.to(dtype), outputs="full"), y, ridge=0.1, tol=tol)
    net.double()
    assert result.converged
    expected = dense_solution(k.detach(), y, 0.1)
    assert float((result.x - expected).norm() / expected.norm()) < 1e3 * tol


def test_interpolation_without_ridge() -> None:
    k, b = with_eigenvalues(torch.linspace(1, 5, 80).double()), right_sides(80)
    for preconditioner in ("nystrom", None):
        result = solve(k, b, ridge=0.0, tol=1e-10, preconditioner=preconditioner)
        assert result.converged
        assert float((result.x - dense_solution(k, b, 0.0)).norm() / result.x.norm()) < 1e-8


def test_converged_bounds_the_residual_and_the_ridge_the_error() -> None:
    """At condition 1e9 a residual of 1e-6 leaves x far off, and within residual |b| / ridge as the docstring says."""
    k, x, ridge = with_eigenvalues(power_law(300, 4.0)), right_sides(300), 1e-9
    b = k @ x + ridge * x
    result = solve(k, b, ridge=ridge, tol=1e-6)
    error = float((result.x - x).norm())
    assert result.converged
    assert 0.2 * float(x.norm()) < error < float(result.residual * b.norm()) / ridge


@pytest.mark.parametrize(("kernel", "right"), [(-900, 0), (900, 0), (0, -900), (0, 900)])
def test_sizes_whose_squares_leave_float64_change_nothing(kernel: int, right: int) -> None:
    k, b = with_eigenvalues(power_law(80, 1.5)), right_sides(80, 2)
    plain = solve(k, b, ridge=1e-2, tol=1e-10)
    scaled = solve(k * 2.0**kernel, b * 2.0**right, ridge=1e-2 * 2.0**kernel, tol=1e-10)
    assert scaled.converged
    torch.testing.assert_close(scaled.x * 2.0**kernel * 2.0**-right, plain.x, rtol=1e-7, atol=1e-10)


def test_converged_says_no_when_the_work_runs_out_or_there_is_no_solution() -> None:
    k, b = with_eigenvalues(power_law(300, 2.0)), right_sides(300)
    short = solve(k, b, ridge=1e-8, preconditioner=None, max_iterations=5)
    assert not short.converged
    assert short.iterations == 5
    assert not solve(torch.zeros(300, 300), b, ridge=0.0).converged


def test_a_zero_right_side_costs_nothing() -> None:
    result = solve(torch.eye(5), torch.zeros(5), ridge=1.0)
    assert result.iterations == 0
    assert result.converged
    assert not result.x.any()


def test_identity_takes_one_iteration() -> None:
    result = solve(2 * torch.eye(50).double(), torch.ones(50, dtype=torch.float64), ridge=1.0, preconditioner=None)
    assert result.iterations == 1
    torch.testing.assert_close(result.x, torch.full((50,), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": -1.0}, "ridge is -1.0; allowed: >= 0"),
        ({"b": torch.ones(5)}, r"b has shape \(5,\); allowed: \(4,\) or \(4, k\)"),
        ({"b": torch.ones(4) * torch.nan}, "without NaN"),
        ({"tol": 0.0}, "tol is 0.0; allowed: > 0"),
        ({"max_iterations": 0}, "max_iterations is 0; allowed: > 0"),
        ({"preconditioner": "jacobi"}, "preconditioner is 'jacobi'; allowed: 'nystrom', a LowRank, or None"),
        ({"preconditioner": LowRank(torch.ones(5, 1), torch.ones(1), 0.0, 0)}, "preconditioner has 5 rows; allowed: 4"),
    ],
)
def test_bad_arguments_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(**({"kernel": torch.eye(4), "b": torch.ones(4), "ridge": 1.0} | change))
