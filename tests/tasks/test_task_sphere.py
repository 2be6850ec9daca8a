"""Zonal harmonics against quadrature, and the sphere task against them."""

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_gegenbauer, eval_legendre, roots_gegenbauer, roots_jacobi

from hpnets.tasks.sphere import SphereTask, sphere_points, zonal

DEGREES = (0, 1, 2, 3, 4, 5, 8, 12)


def density_of_t(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over the sphere of a function of t = <x, u>: density (1 - t^2)^((d-3)/2)."""
    exponent = (d - 3) / 2
    t, w = roots_jacobi(40, exponent, exponent)
    return t, w / w.sum()


def dimension(k: int, d: int) -> int:
    """How many independent harmonics of degree k there are on the sphere in R^d."""
    below = math.comb(d + k - 3, d - 1) if k > 1 else 0
    return math.comb(d + k - 1, d - 1) - below


@pytest.mark.parametrize("d", [2, 3, 5, 10])
def test_harmonics_are_orthogonal_on_the_sphere(d: int) -> None:
    """mean of P_j P_k over the sphere = [j = k] / (number of harmonics of degree k): the addition theorem."""
    t, w = density_of_t(d)
    table = np.stack([zonal(k, d, t) for k in DEGREES])
    expected = np.diag([1 / dimension(k, d) for k in DEGREES])
    np.testing.assert_allclose((table * w) @ table.T, expected, atol=1e-13)


@pytest.mark.parametrize(("k", "leak"), [(3, 0.0136), (12, 0.0977)])
def test_the_wrong_index_leaks_to_other_degrees(k: int, leak: float) -> None:
    """Trap 3: C^((d-1)/2) holds 1.4% (k = 3) to 9.8% (k = 12) of energy outside degree k at d = 10."""
    t, w = roots_gegenbauer(40, 4.0)
    w = w / w.sum()

    def energy_outside(p: np.ndarray) -> float:
        right = zonal(k, 10, t)
        return 1 - (w @ (p * right)) ** 2 / ((w @ right**2) * (w @ p**2))

    assert energy_outside(eval_gegenbauer(k, 4.0, t)) == pytest.approx(0, abs=1e-12)
    assert energy_outside(eval_gegenbauer(k, 4.5, t)) == pytest.approx(leak, abs=1e-4)


@pytest.mark.parametrize("d", [2, 3, 4, 10, 50])
@pytest.mark.parametrize("k", DEGREES)
def test_harmonics_are_one_at_the_pole(k: int, d: int) -> None:
    assert zonal(k, d, 1.0) == pytest.approx(1, abs=1e-12)
    assert zonal(k, d, -1.0) == pytest.approx((-1) ** k, abs=1e-12)
    assert np.abs(zonal(k, d, np.linspace(-1, 1, 201))).max() <= 1 + 1e-12


def test_known_cases() -> None:
    t = np.linspace(-1, 1, 41)
    for k in DEGREES:
        np.testing.assert_allclose(zonal(k, 3, t), eval_legendre(k, t), atol=1e-13)
        np.testing.assert_allclose(zonal(k, 2, t), np.cos(k * np.arccos(t)), atol=1e-12)
    np.testing.assert_allclose(zonal(2, 10, t), (10 * t**2 - 1) / 9, atol=1e-13)
    assert zonal(3, 5, np.float32([[0.5]])).dtype == np.float64
    assert zonal(3, 5, np.float32([[0.5]])).shape == (1, 1)


def test_harmonics_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="k is -1; allowed: an integer >= 0"):
        zonal(-1, 3, 0.0)
    with pytest.raises(ValueError, match="d is 1; allowed: an integer >= 2"):
        zonal(1, 1, 0.0)


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_inputs_are_uniform_on_the_sphere(dim: int) -> None:
    x = sphere_points(20_000, dim, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.norm(dim=1), torch.ones(20_000, dtype=torch.float64))
    assert x.mean(0).abs().max() < 0.03
    torch.testing.assert_close(x.T @ x / 20_000, torch.eye(dim, dtype=torch.float64) / dim, atol=0.02, rtol=0)


def test_y_is_the_sum_of_harmonics_about_the_direction() -> None:
    task = SphereTask(degrees="1, 4", amplitude=0.3, dim=5, train_size=200, test_size=50, batch_size=200)
    task.setup()
    assert task.degrees == (1, 4)
    assert task.input_shape == (5,)
    assert task.direction.shape == (5,)
    assert task.direction.norm().item() == pytest.approx(1)
    for samples, size in ((task.train_set, 200), (task.val_set, 50), (task.test_set, 50)):
        x, y = samples.batch(range(len(samples)))
        t = x.double() @ task.direction
        p4 = (1 - 14 * t**2 + 21 * t**4) / 8  # P_4 in R^5: orthogonal to 1 and t^2 under the weight 1 - t^2
        torch.testing.assert_close(y[:, 0].double(), 0.3 * (t + p4), atol=1e-5, rtol=0)
        assert len(samples) == size
        assert x.norm(dim=1).sub(1).abs().max() < 1e-5


def test_each_degree_has_its_amplitude() -> None:
    """Projections of y on the harmonics, by the mean over many points: a for the degrees asked for, else 0."""
    task = SphereTask(dim=3, train_size=50_000)
    task.setup()
    x, y = task.train_set.batch(range(50_000))
    t = (x.double() @ task.direction).clamp(-1, 1).numpy()
    for k in range(1, 13):
        p = zonal(k, 3, t)
        amplitude = (p @ y[:, 0].double().numpy()) / (p @ p)
        assert amplitude == pytest.approx(0.1 if k in (1, 3, 4, 5, 8, 12) else 0, abs=0.015)


@pytest.mark.parametrize("degrees", ["1,3,4", [1, 3, 4], (1, 3, 4)])
def test_degrees_as_text_list_or_tuple(degrees: str | list[int] | tuple[int, ...]) -> None:
    assert SphereTask(degrees=degrees).degrees == (1, 3, 4)


def test_evaluation_does_not_depend_on_the_training_size() -> None:
    small, large = (SphereTask(train_size=n, batch_size=10) for n in (10, 500))
    for task in (small, large):
        task.setup()
    assert torch.equal(small.direction, large.direction)
    assert torch.equal(small.test_set.batch(range(1000))[0], large.test_set.batch(range(1000))[0])
