"""Training on harmonics of the sphere, against formulas and against plain training; eigenvalues on the sphere."""

import pytest
import torch
from scipy.special import eval_gegenbauer

from hpnets.ntk import ntk
from hpnets.papers.parts import harmonics
from hpnets.papers.parts.harmonics import generalising
from hpnets.papers.spectral_bias import cells
from hpnets.study import Result, Results


def test_eigenvalues_of_a_two_layer_kernel_vanish_at_odd_degrees() -> None:
    measured = cells.eigenvalues(3, 1, 32, [[4, 32]], "cpu")
    assert measured["trace"] == pytest.approx(2)
    assert max(abs(measured["eigenvalues"][k]) for k in (3, 5, 7, 31)) < 1e-14
    assert measured["decay"]["4-32"] == pytest.approx(3, abs=0.1)


def test_the_rest_of_a_harmonic_is_its_zonal_coefficient() -> None:
    x, y, _, _, u = harmonics.sphere_data(4, 200, 0, "cpu")
    t = (x.double() @ u).numpy()
    third = 0.1 * torch.from_numpy(eval_gegenbauer(3, 1.0, t) / eval_gegenbauer(3, 1.0, 1.0))[:, None]
    assert harmonics.left(y, x, y, u) == pytest.approx([1.0] * 6)
    assert harmonics.left(y.double() - third, x, y, u) == pytest.approx([1, 0, 1, 1, 1, 1], abs=1e-4)


def test_linear_training_is_training_with_the_kernel_held_fixed() -> None:
    measured = cells.linear_training(3, 2, 32, 0, 40, "cpu")
    x, y, _, _, u = harmonics.sphere_data(3, 40, 0, "cpu")
    net = cells.make_net(3, 2, 32, 0, "cpu")
    K = ntk(net, x, outputs="trace").double()
    i = 40
    residual = torch.linalg.matrix_exp(-measured["times"][i] / 40 * K) @ y.double()
    assert measured["train"][i] == pytest.approx(harmonics.left(residual, x, y, u), abs=1e-6)
    assert measured["train"][0] == pytest.approx([1] * 6, abs=0.1)


def test_a_wide_network_follows_its_kernel() -> None:
    measured = cells.network_training(3, 2, 2048, 0, 40, "cpu", steps=20, at_once=0.5)
    for net, linear in zip(measured["train"], measured["linear"], strict=True):
        assert net == pytest.approx(linear, abs=0.05)
    assert abs(measured["train"][-1][0]) < 0.5


def test_a_harmonic_generalises_if_it_halves_on_held_out_points_for_each_seed() -> None:
    falls, stays = [1.0, 0.6, 0.1], [1.0, 0.9, 0.8]

    def cells(samples: int, *curves: list[list[float]]) -> Results:
        options = {"dim": 10, "samples": samples}
        values = [{"times": [1.0, 10.0, 100.0], "test": [list(r) for r in zip(*c, strict=True)]} for c in curves]
        return Results(tuple(Result("linear_training", options, value) for value in values))

    first, second = [falls] * 4 + [stays] * 2, [falls, falls, stays, falls, stays, stays]
    # There are 1782 harmonics of degree 5 in R^10, more than the points.
    assert generalising(cells(1000, first, second)) == [1, 3]
    assert generalising(cells(2000, first, second)) == [1, 3, 5]
