"""The regression kernel against loops in numpy, and positive parts against known eigenvalues."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hpnets.kernels import HRKernel, KernelPredictor, positive_part
from hpnets.ntk.metrics import elasticity
from tests.linalg.oracles import with_eigenvalues

G = torch.Generator().manual_seed(0)
X = torch.randn(24, 2, 4, generator=G, dtype=torch.float64)
OTHER = torch.randn(5, 2, 4, generator=G, dtype=torch.float64)
LABELS = (X[:, 0, 0] > 0).long()


def gaussian(a: Tensor, b: Tensor) -> Tensor:
    return 3 * torch.exp(-torch.cdist(a.flatten(1), b.flatten(1)).square() / 8)


def looped(x1: Tensor, x2: Tensor, axes: np.ndarray, middle: np.ndarray, K: Tensor) -> np.ndarray:
    """The features, one pair at a time."""
    rows = []
    for i, a in enumerate(x1.flatten(1).numpy()):
        for j, b in enumerate(x2.flatten(1).numpy()):
            p, q = (a - middle) @ axes, (b - middle) @ axes
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            rows.append([1, float(K[i, j]), a @ b, cosine, np.sum((a - b) ** 2), *(p * q), *abs(p - q)])
    return np.array(rows).reshape(len(x1), len(x2), -1)


def test_the_regression_against_loops() -> None:
    hr, flat = HRKernel(gaussian, X, LABELS, components=3), X.flatten(1).numpy()
    middle = flat.mean(0)
    axes = np.linalg.svd(flat - middle)[2][:3].T
    phi, pairs = looped(X, X, axes, middle, gaussian(X, X)), [(i, j) for j in range(24) for i in range(j)]
    agree = [1.0 if LABELS[i] == LABELS[j] else -1.0 for i, j in pairs]
    w = np.linalg.lstsq(np.array([phi[pair] for pair in pairs]), np.array(agree), rcond=None)[0]
    Z = looped(OTHER, X, axes, middle, gaussian(OTHER, X)) @ w
    np.testing.assert_allclose(hr.similarity(OTHER, X).numpy(), Z, atol=1e-9)
    # The mean of the kernel's diagonal is 3.
    np.testing.assert_allclose(hr(OTHER, X, 0.2).numpy(), gaussian(OTHER, X).numpy() + 0.6 * Z, atol=1e-9)


def test_without_labels_it_is_the_kernel_bit_for_bit_and_with_them_more_elastic() -> None:
    hr = HRKernel(gaussian, X, LABELS)
    assert torch.equal(hr(OTHER, X, 0), gaussian(OTHER, X))
    ratios = [elasticity(hr(X, X, r), LABELS).ratio for r in (0, 0.01, 0.1, 0.5)]
    assert ratios == sorted(set(ratios))


def test_many_classes_and_a_feature_that_repeats_another() -> None:
    """A kernel that is the inner product itself is a feature twice; the fit stays finite, and the same."""
    wide = torch.randn(8, 1, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 5] * 2)
    hr = HRKernel(lambda a, b: a.flatten(1) @ b.flatten(1).T, wide, labels, components=1)
    agree = torch.where(labels[:, None] == labels, 1.0, -1.0).double()
    i, j = torch.triu_indices(8, 8, 1)
    left = (hr.similarity(wide, wide) - agree)[i, j]
    phi = hr.features(wide, wide, hr.kernel(wide, wide))[i, j]
    torch.testing.assert_close(phi.T @ left, torch.zeros(7, dtype=torch.float64), atol=1e-8, rtol=0)


def test_the_positive_part() -> None:
    K = with_eigenvalues(torch.tensor([4.0, 2.0, 1.0, -1.0, -2.0], dtype=torch.float64), 0)
    part = positive_part(K, K)
    torch.testing.assert_close(torch.linalg.eigvalsh(part.kernel), torch.tensor([0, 0, 1, 2, 4]).double())
    assert part.cross is not None
    torch.testing.assert_close(part.cross, part.kernel)
    assert (part.share, part.least) == pytest.approx((0.3, -0.5))
    y = torch.randn(5, 1, generator=G, dtype=torch.float64)
    with pytest.raises(ValueError, match="not positive semi-definite"):
        KernelPredictor(K, y)
    fitted = KernelPredictor(part.kernel, y).flow(math.inf).values
    v = torch.linalg.eigh(K).eigenvectors
    torch.testing.assert_close(part.cross @ fitted, v[:, 2:] @ v[:, 2:].T @ y)
    assert positive_part(K @ K).share < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: HRKernel(gaussian, X, LABELS.double()),
            r"labels is torch.float64 of shape \(24,\); allowed: a tensor",
        ),
        (lambda: HRKernel(gaussian, X, LABELS[:5]), r"labels is torch.int64 of shape \(5,\)"),
        (lambda: HRKernel(gaussian, X, LABELS[:, None]), r"shape \(24, 1\)"),
        (lambda: HRKernel(gaussian, X, LABELS.tolist()), "labels is list"),
        (lambda: HRKernel(gaussian, X, 0 * LABELS), "labels has 1 class; allowed: 2 or more"),
        (lambda: HRKernel(gaussian, X[[0, *range(23)]], LABELS), "the kernel of these 24 points is singular"),
        (lambda: HRKernel(lambda a, b: gaussian(a, b)[:3], X, LABELS), r"kernel\(x, x\) has shape \(3, 24\)"),
        (lambda: HRKernel(gaussian, X, LABELS, components=0), "components is 0; allowed: an integer >= 1"),
        (lambda: HRKernel(gaussian, X, LABELS, components=9), "components is 9; allowed: 1 to 8"),
        (lambda: HRKernel(gaussian, X, LABELS)(X, X, -0.1), "r is -0.1; allowed: a finite number >= 0"),
        (lambda: HRKernel(gaussian, X, LABELS)(X, X, math.nan), "r is nan"),
        (lambda: positive_part(-torch.eye(3)), "largest eigenvalue is -1; allowed: above 0"),
        (lambda: positive_part(torch.eye(3), torch.ones(2, 4)), r"cross has shape \(2, 4\); allowed: \(M, 3\)"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
