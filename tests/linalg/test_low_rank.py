"""The Nystrom factor against the best one, from a dense eigendecomposition; its error against the true one."""

import pytest
import torch

from hpnets.linalg import low_rank
from hpnets.ntk import NTKOperator
from tests.linalg.oracles import loop_kernel, power_law, small_net, with_eigenvalues


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_the_factor_is_near_the_best_of_its_rank(exponent: float) -> None:
    values = power_law(300, exponent)
    k = with_eigenvalues(values)
    result = low_rank(k, 40)
    error = float((k - result.factor @ result.factor.T).norm())
    best = float(values[40:].norm())
    assert best <= error < 4 * best
    assert result.factor.shape == (300, 40)
    assert result.products == 60


def test_the_error_estimate_is_near_the_error() -> None:
    k = with_eigenvalues(power_law(300, 1.0))
    for seed in range(5):
        result = low_rank(k, 30, seed=seed)
        assert result.error == pytest.approx(float((k - result.factor @ result.factor.T).norm() / k.norm()), rel=0.3)


def test_a_kernel_of_that_rank_is_reproduced() -> None:
    values = torch.cat([torch.linspace(5, 1, 12), torch.zeros(188)]).double()
    k = with_eigenvalues(values)
    result = low_rank(k, 12)
    torch.testing.assert_close(result.factor @ result.factor.T, k, rtol=0, atol=1e-10)
    torch.testing.assert_close(result.eigenvalues, values[:12], rtol=1e-10, atol=0)
    assert result.error < 1e-10


def test_it_never_exceeds_the_kernel_and_its_vectors_are_orthonormal() -> None:
    """K - F F^T is positive semi-definite: what makes it safe as a preconditioner."""
    k = with_eigenvalues(power_law(200, 1.5))
    result = low_rank(k, 25)
    assert float(torch.linalg.eigvalsh(k - result.factor @ result.factor.T).min()) > -1e-12
    torch.testing.assert_close(result.vectors.T @ result.vectors, torch.eye(25).double(), rtol=0, atol=1e-10)
    assert bool((result.eigenvalues.diff() <= 0).all())


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_matrix_free_factor_of_a_network(dtype: torch.dtype, bound: float) -> None:
    net, x = small_net(), torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    k = loop_kernel(net, x, "full")
    result = low_rank(NTKOperator(net.to(dtype), x.to(dtype), outputs="full"), 60)
    net.double()
    assert float((k - result.factor @ result.factor.T).norm() / k.norm()) < bound
    assert result.error < bound


def test_the_zero_kernel() -> None:
    result = low_rank(torch.zeros(9, 9), 2)
    assert result.error == 0
    assert not result.factor.any()


@pytest.mark.parametrize(
    ("kernel", "rank", "message"),
    [
        (torch.eye(4), 0, "rank is 0; allowed: 1 to 4"),
        (torch.eye(4), 5, "rank is 5; allowed: 1 to 4"),
        (-torch.eye(4), 2, "eigenvalues well below zero"),
        (torch.eye(4) * torch.inf, 2, "NaN or Inf"),
    ],
)
def test_bad_arguments_are_named(kernel: torch.Tensor, rank: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        low_rank(kernel, rank)
