"""Gaussian processes against scikit-learn's on the same kernel, and by conjugate gradients against a factor."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Kernel
from torch import Tensor

from hpnets.kernels import GaussianProcess, jittered_cholesky
from hpnets.models import create_model
from hpnets.ntk import NTKOperator, ntk
from hpnets.theory import limit_kernel

G = torch.Generator().manual_seed(0)
X, NEW = (torch.randn(n, 3, generator=G, dtype=torch.float64) for n in (30, 11))
Y = torch.randn(30, 1, generator=G, dtype=torch.float64)
NET = create_model("pnn_skip", input_shape=(3,), output_dim=1, degree=2, width=32).double()


def rbf(a: Tensor, b: Tensor) -> Tensor:
    return torch.exp(-torch.cdist(a.double(), b.double()).square() / 2)


def limit(a: Tensor, b: Tensor) -> Tensor:
    return limit_kernel(NET, a, b).ntk


def empirical(a: Tensor, b: Tensor) -> Tensor:
    return ntk(NET, a, b, outputs="trace")


class Sklearn(Kernel):
    """A kernel of this library as scikit-learn takes it."""

    def __init__(self, kernel=limit) -> None:  # type: ignore[no-untyped-def]
        self.kernel = kernel

    def __call__(self, a, b=None, eval_gradient=False):  # type: ignore[no-untyped-def]
        a = torch.as_tensor(a)
        return self.kernel(a, a if b is None else torch.as_tensor(b)).numpy()

    def diag(self, a):  # type: ignore[no-untyped-def]
        return np.diag(self(a))

    def is_stationary(self) -> bool:
        return False


@pytest.mark.parametrize("kernel", [rbf, limit, empirical])
@pytest.mark.parametrize("noise", [0.3, 0.05])
def test_it_is_the_gaussian_process_of_scikit_learn(kernel, noise: float) -> None:  # type: ignore[no-untyped-def]
    other = GaussianProcessRegressor(RBF(1.0) if kernel is rbf else Sklearn(kernel), alpha=noise**2, optimizer=None)
    other.fit(X.numpy(), Y[:, 0].numpy())
    mean, covariance = other.predict(NEW.numpy(), return_cov=True)
    ours = GaussianProcess(kernel, Y, X, noise=noise)
    at = ours.predict(NEW)
    torch.testing.assert_close(at.mean[:, 0], torch.as_tensor(mean), rtol=0, atol=1e-8)
    torch.testing.assert_close(at.covariance, torch.as_tensor(covariance), rtol=0, atol=1e-8)
    assert ours.log_marginal_likelihood == pytest.approx(other.log_marginal_likelihood_value_, abs=1e-8)
    assert ours.jitter == 0


def test_matrices_operators_and_conjugate_gradients_give_the_same() -> None:
    K, cross, own = empirical(X, X), empirical(NEW, X), empirical(NEW, NEW)
    plain = GaussianProcess(K, Y, noise=0.1)
    truth = plain.condition(cross, own)
    operator = NTKOperator(NET, X, outputs="trace")
    for kernel, method in ((K, "iterative"), (operator, "auto"), (operator, "cholesky")):
        gp = GaussianProcess(kernel, Y, noise=0.1, tol=1e-11, method=method)
        at = gp.condition(cross, own)
        assert at.converged
        torch.testing.assert_close(at.mean, truth.mean, rtol=0, atol=1e-8)
        torch.testing.assert_close(at.covariance, truth.covariance, rtol=0, atol=1e-8)
    with pytest.raises(ValueError, match="log_marginal_likelihood needs log det"):
        _ = GaussianProcess(K, Y, noise=0.1, method="iterative").log_marginal_likelihood
    with pytest.raises(ValueError, match="the kernel is a matrix; allowed: a kernel function"):
        plain.predict(NEW)


def test_above_the_dense_limit_no_factor_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = GaussianProcess(limit, Y, X, noise=0.1).predict(NEW)
    monkeypatch.setattr("hpnets.kernels.gaussian_process.DENSE_ROWS", 29)
    at = GaussianProcess(limit, Y, X, noise=0.1, tol=1e-12).predict(NEW)
    assert 0 < at.residual < 1e-12
    torch.testing.assert_close(at.covariance, truth.covariance, rtol=0, atol=1e-8)


def test_samples_have_the_mean_and_the_covariance() -> None:
    at = GaussianProcess(rbf, torch.cat([Y, -Y], 1), X, noise=0.3).predict(NEW)
    draws = at.samples(20_000, torch.Generator().manual_seed(0))
    assert draws.values.shape == (20_000, 11, 2)
    assert float((draws.values.mean(0) - at.mean).abs().max()) < 5 * 20_000**-0.5
    for output in (0, 1):
        off = torch.cov(draws.values[:, :, output].T) - at.covariance
        assert float(off.norm() / at.covariance.norm()) < 0.03
    assert draws.jitter < 1e-12


def test_jitter_is_stated() -> None:
    v = torch.randn(12, 2, generator=G, dtype=torch.float64)
    L, jitter = jittered_cholesky(v @ v.T)
    assert 0 < jitter <= 1e-10
    torch.testing.assert_close(L @ L.T, v @ v.T, rtol=0, atol=2 * jitter)
    assert jittered_cholesky(torch.eye(3)).jitter == 0
    assert jittered_cholesky(torch.zeros(3, 3)).jitter == 0
    # At observed points without noise nothing is left to draw, up to the rounding of the prior's variance.
    at = GaussianProcess(rbf, Y, X, noise=0.0).predict(X)
    assert float((at.samples(1).values - Y).abs().max()) < 1e-4
    with pytest.raises(ValueError, match="not positive semi-definite"):
        jittered_cholesky(torch.diag(torch.tensor([1.0, -1e-3])))


TWICE = torch.cat([X, X[:1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": -0.1}, "noise is -0.1; allowed: a finite number >= 0"),
        (
            {"x": TWICE, "targets": torch.ones(31, 1), "noise": 0},
            "noise is 0 and the kernel of these 31 points is sing",
        ),
        ({"targets": Y / 0}, "without NaN or Inf"),
        ({"targets": Y[:5]}, r"targets has shape \(5, 1\)"),
        ({"x": None}, "x is None; allowed: points for a kernel function"),
        ({"kernel": rbf(X, X)}, "None for a matrix"),
        ({"kernel": lambda a, b: a @ b[:4].T}, r"kernel\(x, x\) has shape \(30, 4\)"),
        ({"kernel": lambda a, b: a.sum(1, keepdim=True) + 0 * b.sum(1)}, "the kernel is not symmetric"),
        ({"kernel": lambda a, b: -rbf(a, b)}, "the covariance is not positive semi-definite"),
        ({"method": "lu"}, "method is 'lu'"),
        ({"memory": "1kB"}, "30 points take .* allowed: more memory, fewer points, or an operator such as NTKOperator"),
    ],
)
def test_bad_arguments(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianProcess(**{"kernel": rbf, "targets": Y, "x": X, "noise": 0.1, **change})


def test_bad_points() -> None:
    gp = GaussianProcess(rbf, Y, X, noise=0.1)
    with pytest.raises(ValueError, match=r"cross has shape \(30, 11\); allowed: \(M, 30\), finite"):
        gp.condition(rbf(X, NEW), rbf(NEW, NEW))
    with pytest.raises(ValueError, match=r"own has shape \(30, 30\); allowed: \(11, 11\), finite"):
        gp.condition(rbf(NEW, X), rbf(X, X))
