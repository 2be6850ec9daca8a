"""Stochastic Lanczos quadrature against the exact, equally broadened histogram of dense kernels; its band."""

import math

import pytest
import torch
from torch import Tensor

from hpnets.linalg import Density, density
from hpnets.linalg._density import gauss, tridiagonal
from hpnets.linalg._operators import StoredKernel
from hpnets.ntk import NTKOperator
from tests.linalg.oracles import loop_kernel, power_law, small_net, with_eigenvalues

SPECTRA = {
    "power law": power_law(300, 1.5),
    "uniform": torch.linspace(1, 3, 300, dtype=torch.float64),
    "two levels": torch.cat([torch.ones(200), torch.full((100,), 3.0)]).double(),
}


def exact(eigenvalues: Tensor, estimate: Density) -> tuple[Tensor, Tensor]:
    """Density and cumulative share at the estimate's grid, one erf for each eigenvalue, in plain loops."""
    axis = eigenvalues.log10() if estimate.log else eigenvalues
    h = estimate.bandwidth
    curve, share = [], []
    for t in estimate.grid.tolist():
        u = [(t - float(l)) / h for l in axis]
        curve.append(sum(math.exp(-a * a / 2) for a in u) / (h * math.sqrt(2 * math.pi) * len(u)))
        share.append(sum(0.5 * (1 + math.erf(a / math.sqrt(2))) for a in u) / len(u))
    return torch.tensor(curve, dtype=torch.float64), torch.tensor(share, dtype=torch.float64)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("name", SPECTRA)
def test_density_is_that_of_the_exact_histogram(name: str, log: bool) -> None:
    estimate = density(with_eigenvalues(SPECTRA[name]), vectors=32, log=log)
    curve, share = exact(SPECTRA[name], estimate)
    assert float((estimate.cumulative - share).abs().max()) < 0.03
    assert float(torch.trapezoid((estimate.density - curve).abs(), estimate.grid)) < 0.1


@pytest.mark.parametrize(("log", "steps"), [(False, 40), (True, 180)])
def test_matrix_free_density_of_a_network_against_its_dense_kernel(log: bool, steps: int) -> None:
    net, x = small_net(), torch.randn(60, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    eigenvalues = torch.linalg.eigvalsh(loop_kernel(net, x, "full"))
    estimate = density(NTKOperator(net, x, outputs="full"), log=log, steps=steps, vectors=8)
    _, share = exact(eigenvalues, estimate)
    assert float((estimate.cumulative - share).abs().max()) < 0.04
    assert estimate.converged
    assert estimate.products == 8 * steps


def test_too_few_steps_for_small_eigenvalues_are_said_so() -> None:
    values = power_law(200, 3.0)
    k = with_eigenvalues(values)
    for steps, converged in ((16, False), (200, True)):
        estimate = density(k, log=True, steps=steps)
        error = float((estimate.cumulative - exact(values, estimate)[1]).abs().max())
        assert estimate.converged == converged
        assert (error < 0.05) == converged
        assert estimate.residual > error or converged, "the residual bounds the error where it matters"


def test_the_band_holds_the_exact_curve_as_often_as_it_says() -> None:
    k, inside, width = with_eigenvalues(SPECTRA["uniform"]), [], []
    for seed in range(20):
        estimate = density(k, seed=seed, steps=40)
        _, share = exact(SPECTRA["uniform"], estimate)
        middle = (share > 0.1) & (share < 0.9)
        inside.append(((estimate.cumulative_lower <= share) & (share <= estimate.cumulative_upper))[middle].double())
        width.append(float((estimate.cumulative_upper - estimate.cumulative_lower).max()))
    assert 0.85 < float(torch.cat(inside).mean()) < 0.99
    assert max(width) < 0.1


def test_the_band_narrows_with_the_vectors() -> None:
    k = with_eigenvalues(SPECTRA["uniform"])
    few, many = (density(k, vectors=p, steps=30) for p in (8, 128))
    ratio = float((few.upper - few.lower).mean() / (many.upper - many.lower).mean())
    assert 2.5 < ratio < 6, "16 times the vectors: a band narrower by about 4"


def test_mass_and_order() -> None:
    estimate = density(with_eigenvalues(SPECTRA["power law"]))
    assert float(torch.trapezoid(estimate.density, estimate.grid)) == pytest.approx(1, abs=1e-3)
    assert bool((estimate.lower <= estimate.density).all())
    assert bool((estimate.density <= estimate.upper).all())
    assert bool((estimate.cumulative.diff() >= -1e-12).all())
    assert float(estimate.cumulative[-1]) == pytest.approx(1, abs=1e-4)


def test_moments_lie_within_their_errors() -> None:
    values = SPECTRA["uniform"]
    truth = torch.stack([values.mean(), values.square().mean(), values.pow(3).mean()])
    estimate = density(with_eigenvalues(values), vectors=64)
    assert bool(((estimate.moments - truth).abs() < 4 * estimate.moment_errors).all())
    assert bool((estimate.moment_errors < 0.02 * truth).all())


def test_a_quadrature_of_all_steps_integrates_exactly() -> None:
    """With as many steps as rows, sum_j w_j f(theta_j) is z^T f(K) z for every f; here exp."""
    k = with_eigenvalues(SPECTRA["uniform"][:20])
    z = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=0)
    theta, w = gauss(tridiagonal(StoredKernel(k), z, 20))
    truth = torch.einsum("rp,rs,sp->p", z, torch.linalg.matrix_exp(k), z)
    torch.testing.assert_close((w * theta.exp()).sum(1), truth, rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("kernel", "level"), [(torch.eye(30), 1.0), (torch.zeros(30, 30), 0.0), (3 * torch.eye(1), 3.0)]
)
def test_a_kernel_of_one_eigenvalue_peaks_there(kernel: Tensor, level: float) -> None:
    """The Krylov space ends after one step; what follows must weigh nothing."""
    estimate = density(kernel)
    assert float(estimate.grid[estimate.density.argmax()]) == pytest.approx(level, abs=2 * estimate.bandwidth)
    assert float(estimate.density.max()) == pytest.approx(1 / (estimate.bandwidth * math.sqrt(2 * math.pi)), rel=0.02)
    torch.testing.assert_close(estimate.moments, torch.tensor([level, level**2, level**3], dtype=torch.float64))


def test_scaling_the_kernel_scales_the_grid() -> None:
    k = with_eigenvalues(SPECTRA["uniform"])
    one, ten = density(k), density(10 * k)
    torch.testing.assert_close(ten.grid, 10 * one.grid)
    torch.testing.assert_close(ten.density, one.density / 10, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vectors": 1}, "vectors is 1; allowed: >= 2"),
        ({"steps": 0}, "steps is 0; allowed: >= 2"),
        ({"bandwidth": 0.0}, "bandwidth is 0.0; allowed: > 0"),
        ({"kernel": torch.ones(2, 3)}, r"shape \(2, 3\)"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        density(**({"kernel": torch.eye(4)} | arguments))
