"""Dense and Lanczos eigenvalues against numpy, with residuals that are recomputed and `converged` that can say no."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hpnets.linalg import density, eigenvalues, low_rank, spectrum
from hpnets.linalg._spectrum import as_matrix
from hpnets.ntk import NTKOperator, ntk
from tests.linalg.oracles import Product, loop_kernel, power_law, small_net, with_eigenvalues


def top(k: Tensor, n: int) -> Tensor:
    return torch.from_numpy(np.linalg.eigvalsh(k.double().numpy())[::-1][:n].copy())


SPECTRA = {
    "power law": power_law(300, 1.5),
    "steep, down to rounding": 10.0 ** -torch.linspace(0, 14, 300, dtype=torch.float64),
    "flat": torch.linspace(1, 1.2, 300, dtype=torch.float64),
    "each ten times": power_law(30, 1.0).repeat_interleave(10),
    "one 35 times, more than a block": torch.cat([torch.full((35,), 5.0), torch.linspace(1, 3, 265)]).double(),
    "one 15 times, the rest found at once": torch.cat([torch.full((15,), 5.0), 0.5 ** torch.arange(285)]).double(),
    "indefinite": torch.linspace(-4, 2, 300, dtype=torch.float64),
    "rank 3": torch.cat([torch.tensor([3.0, 2.0, 1.0]), torch.zeros(297)]).double(),
    "identity": torch.ones(300, dtype=torch.float64),
    "zero": torch.zeros(300, dtype=torch.float64),
}


@pytest.mark.parametrize("method", ["dense", "lanczos"])
@pytest.mark.parametrize("name", SPECTRA)
def test_top_20_of_known_spectra(name: str, method: str) -> None:
    values = SPECTRA[name].sort(descending=True).values
    k = with_eigenvalues(values)
    result = spectrum(k, 20, method)
    assert result.converged
    torch.testing.assert_close(result.eigenvalues, values[:20], rtol=1e-9, atol=1e-12)
    residuals = (k @ result.vectors - result.vectors * result.eigenvalues).norm(dim=0)
    scale = values.abs().max().clamp_min(1e-300)
    torch.testing.assert_close(result.residuals, residuals / scale, rtol=1e-3, atol=1e-11)
    torch.testing.assert_close(result.vectors.T @ result.vectors, torch.eye(20).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SPECTRA)
def test_eigenvalues_without_vectors_are_those_of_the_spectrum(name: str) -> None:
    k = with_eigenvalues(SPECTRA[name]).float()
    result, whole = eigenvalues(k), spectrum(k)
    torch.testing.assert_close(result.eigenvalues, whole.eigenvalues, rtol=1e-12, atol=1e-13)
    assert (result.rows, result.floor) == (300, pytest.approx(whole.floor, rel=1e-12))


def test_eigenvalues_of_a_kernel_that_is_too_large_for_a_dense_decomposition_are_refused() -> None:
    with pytest.raises(ValueError, match="8193 rows; allowed: at most 8192, or spectrum with k"):
        eigenvalues(torch.ones(1).expand(8193, 8193))


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-10), (torch.float32, 1e-6)])
@pytest.mark.parametrize("net", [small_net(), Product().double()], ids=["mlp", "product"])
def test_matrix_free_top_20_against_dense(net: nn.Module, dtype: torch.dtype, relative: float) -> None:
    x = torch.randn(100, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = top(loop_kernel(net, x, "full"), 20)
    result = spectrum(NTKOperator(net.to(dtype), x.to(dtype), outputs="full"), 20)
    net.double()
    assert result.converged
    assert result.products > 0
    # Float32 products bound the error by their rounding of lambda_max, not of the eigenvalue itself.
    scale = exact if dtype == torch.float64 else exact[0]
    assert float(((result.eigenvalues - exact) / scale).abs().max()) < relative


@pytest.mark.parametrize("outputs", ["trace", "sum", 0])
def test_matrix_free_in_every_mode(outputs: str | int) -> None:
    net, x = small_net(), torch.randn(60, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    result = spectrum(NTKOperator(net, x, outputs=outputs), 6)
    torch.testing.assert_close(result.eigenvalues, top(loop_kernel(net, x, outputs), 6), rtol=1e-10, atol=0)


def test_all_eigenvalues_of_an_operator_come_from_its_dense_form() -> None:
    net, x = small_net(), torch.randn(8, 4, dtype=torch.float64)
    result = spectrum(NTKOperator(net, x, outputs="full"))
    torch.testing.assert_close(result.eigenvalues, top(loop_kernel(net, x, "full"), 24), rtol=1e-9, atol=1e-9)
    assert result.products == result.rows == 24


def test_dense_full_kernel_and_its_matrix_agree() -> None:
    net, x = small_net(), torch.randn(5, 4, dtype=torch.float64)
    k = ntk(net, x, outputs="full")
    torch.testing.assert_close(as_matrix(k), loop_kernel(net, x, "full"), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(spectrum(k).eigenvalues, top(loop_kernel(net, x, "full"), 15), rtol=1e-9, atol=1e-9)


def test_converged_says_no_when_the_work_runs_out() -> None:
    k = with_eigenvalues(SPECTRA["flat"])
    result = spectrum(k, 20, "lanczos", max_restarts=1)
    assert not result.converged
    assert float(result.residuals.max()) > 1e-10
    assert not spectrum(k, 20, "dense", tol=1e-30).converged


def test_a_repeated_eigenvalue_is_not_called_converged_unconfirmed() -> None:
    """The start block sees ten of 15 copies: without the second look the 11th value would be wrong, and 'converged'."""
    k = with_eigenvalues(SPECTRA["one 15 times, the rest found at once"])
    assert not spectrum(k, 20, "lanczos", max_restarts=0).converged


def test_scale_and_rotation_change_nothing_but_the_scale() -> None:
    values = power_law(200, 1.2)
    a, b = (spectrum(with_eigenvalues(values, seed), 5, "lanczos").eigenvalues for seed in (0, 1))
    torch.testing.assert_close(a, b, rtol=1e-10, atol=0)
    scaled = spectrum(1e-6 * with_eigenvalues(values), 5, "lanczos")
    torch.testing.assert_close(scaled.eigenvalues, 1e-6 * a, rtol=1e-10, atol=0)


def test_the_floor_follows_the_dtype_of_the_kernel() -> None:
    k = with_eigenvalues(power_law(50, 1.0))
    assert spectrum(k).floor == pytest.approx(50 * torch.finfo(torch.float64).eps)
    for method in ("dense", "lanczos"):
        floor = spectrum(k.float(), 3, method).floor
        assert floor == pytest.approx(50 * torch.finfo(torch.float32).eps, rel=1e-5)


class Broken:
    shape, dtype, device = (30, 30), torch.float64, torch.device("cpu")

    def matmat(self, v: Tensor) -> Tensor:
        return v * torch.nan


EYE = torch.eye(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((EYE, 5), "k is 5; allowed: 1 to 4"),
        ((EYE, 0), "k is 0; allowed: 1 to 4"),
        ((EYE, None, "lanczos"), "k is None; allowed: 1 to 4"),
        ((EYE, 2, "arnoldi"), "method is 'arnoldi'; allowed: 'auto', 'dense', 'lanczos'"),
        ((EYE[:3],), r"the kernel has shape \(3, 4\)"),
        ((torch.zeros(2, 2, 3, 4),), r"the kernel has shape \(2, 2, 3, 4\)"),
        ((EYE * torch.nan,), "NaN"),
        ((torch.ones(4, 4).triu(), 2, "lanczos"), "not symmetric"),
        ((torch.ones(4, 4).triu(),), "not symmetric"),
        ((Broken(), 3), "NaN"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spectrum(*arguments)


def test_tol_must_be_positive() -> None:
    with pytest.raises(ValueError, match="tol is 0; allowed: > 0"):
        spectrum(EYE, tol=0)


def test_auto_goes_to_lanczos_above_the_dense_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    k = with_eigenvalues(power_law(120, 1.0))
    assert spectrum(k, 3).products == 0
    monkeypatch.setattr(sys.modules["hpnets.linalg._spectrum"], "DENSE_ROWS", 100)
    assert spectrum(k, 3).products > 0
    with pytest.raises(ValueError, match="k is None; allowed: 1 to 120"):
        spectrum(k)
    assert len(spectrum(k, method="dense").eigenvalues) == 120


@pytest.mark.parametrize("power", [-900, 900])
def test_sizes_whose_squares_leave_float64_change_nothing(power: int) -> None:
    """Eigenvalues, residuals, factors and densities of 2^power K are those of K; `norm` alone gives 0 or inf there."""
    k, size = with_eigenvalues(power_law(120, 1.5)), 2.0**power
    for method in ("dense", "lanczos"):
        plain, scaled = (spectrum(kernel, 5, method) for kernel in (k, k * size))
        torch.testing.assert_close(scaled.eigenvalues / size, plain.eigenvalues, rtol=1e-9, atol=0)
        assert scaled.converged
        assert float(scaled.residuals.max()) > 0
    assert low_rank(k * size, 20).error == pytest.approx(low_rank(k, 20).error, rel=1e-6)
    torch.testing.assert_close(density(k * size).cumulative, density(k).cumulative, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", [[[1.0]], torch.eye(3).long(), torch.eye(3).to(torch.complex64)], ids=str)
def test_what_is_no_kernel_is_named(kernel: Any) -> None:
    for function in (spectrum, density, lambda k: low_rank(k, 1)):
        with pytest.raises(ValueError, match=r"the kernel (is a list|has dtype .*); allowed: "):
            function(kernel)


@pytest.mark.parametrize("block", [3, 7])
def test_a_block_that_does_not_divide_the_basis_converges(block: int) -> None:
    """A basis that cut a block in two would go on with what is left of it, and never find close eigenvalues."""
    for name in ("flat", "each ten times", "steep, down to rounding"):
        values = SPECTRA[name].sort(descending=True).values
        result = spectrum(with_eigenvalues(values), 4, "lanczos", block=block)
        assert result.converged
        torch.testing.assert_close(result.eigenvalues, values[:4], rtol=1e-9, atol=1e-12)


class Diagonal:
    """A diagonal operator, whose products take no multiplications that are counted."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, values: Tensor) -> None:
        self.values, self.shape = values, (len(values), len(values))

    def matmat(self, v: Tensor) -> Tensor:
        return self.values[:, None] * v.float()


def test_the_algebra_of_lanczos_is_little_beside_its_products() -> None:
    """Each product is made orthogonal in two passes, each of 4 operations a row and column of the basis."""
    operator = Diagonal(power_law(3000, 0.5).float())
    with FlopCounterMode(display=False) as counter:
        result = spectrum(operator, 5, tol=1e-5, block=1)
    assert result.converged
    assert result.products > 20
    assert counter.get_total_flops() < result.products * 3000 * 32 * 6


@pytest.mark.parametrize(("block", "k"), [(1, 1), (3, 4)])
def test_a_search_goes_on_after_a_confirmation_that_failed(block: int, k: int) -> None:
    """A loose tolerance is often met too early, and the random block that shows it is no Krylov block of the rest."""
    values = SPECTRA["indefinite"].sort(descending=True).values
    for seed in range(8):
        result = spectrum(with_eigenvalues(values, seed), k, "lanczos", tol=1e-2, block=block, seed=seed)
        assert result.converged
        assert result.products < 200
