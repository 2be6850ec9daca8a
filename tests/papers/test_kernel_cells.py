"""What the convergence and spectral bias studies compute, against formulas and against plain training."""

import math

import pytest
import torch
from matplotlib.figure import Figure
from scipy.special import eval_gegenbauer
from torch import nn

from hpnets.ntk import ntk
from hpnets.theory import limit_kernel
from recipes.papers.parts.convergence import kernels
from recipes.papers.parts.convergence.claims import component_means, faster, inversion, slope_text
from recipes.papers.parts.convergence.jacot import BETA, JacotNet
from recipes.papers.parts.convergence.tables import points
from recipes.papers.parts.descent import descend_from_start
from recipes.papers.parts.spectral import harmonics
from recipes.papers.parts.spectral.measures import generalises


def test_the_limit_of_the_network_is_the_recursion_of_the_paper() -> None:
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    S = x @ x.T / 3 + BETA**2
    T = S
    for _ in range(3):
        size = S.diagonal().sqrt()
        angle = (S / size / size[:, None]).clamp(-1, 1).arccos()
        step = (math.pi - angle) / (2 * math.pi)
        S = size * size[:, None] * (angle.sin() + (math.pi - angle) * angle.cos()) / (2 * math.pi) + BETA**2
        T = T * step + S
    found = limit_kernel(JacotNet(3, 4), x)
    torch.testing.assert_close(found.covariance, S)
    torch.testing.assert_close(found.ntk, T)


def test_the_kernel_is_near_its_limit() -> None:
    found = [kernels.initial_kernel(512, seed, "cpu") for seed in range(3)]
    assert max(f["error"] for f in found) < 0.4
    mean = torch.tensor([f["row"] for f in found]).mean(0)
    assert kernels.relative(mean, torch.tensor(found[0]["limit"])) < 0.2


def test_predictions_of_a_linear_network_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear(JacotNet):
        def __init__(self, inputs: int, width: int) -> None:
            super().__init__(inputs, width, depth=1)

    monkeypatch.setattr(kernels, "JacotNet", Linear)
    monkeypatch.setattr(kernels, "limit_kernel", lambda net, a, b=None: limit_kernel(JacotNet(2, 1, depth=1), a, b))
    found = kernels.trained_kernel(1, 0, 8, 30, "cpu")
    assert found["move"] == pytest.approx(0, abs=1e-6)
    assert found["inflation"] == pytest.approx(1, abs=1e-6)
    assert found["finite"] < 1e-4
    assert found["limit"] < 1e-4


def test_the_process_passes_through_its_data_in_the_end() -> None:
    limit = kernels.four_limit(10**7, "cpu")
    angle = torch.linspace(-math.pi, math.pi, kernels.ANGLES + 1)
    for a, y in zip(kernels.FOUR, kernels.FOUR_TARGETS, strict=True):
        i = int((angle - ((a + math.pi) % (2 * math.pi) - math.pi)).abs().argmin())
        assert limit["mean"][i] == pytest.approx(y, abs=0.05)
        assert limit["std"][i] < 0.03
    before = kernels.four_limit(0, "cpu")
    assert max(map(abs, before["mean"])) == 0
    assert min(before["std"]) > 0.1


def test_components_start_at_a_half_and_fall() -> None:
    found = kernels.components(64, 0, 32, [1, 2], [0.0, 1.0], "cpu")
    assert found["left"][0] == pytest.approx([0.5, 0.5])
    assert found["predicted"][1][1] == pytest.approx(0.5 * math.exp(-1), rel=0.15)
    assert found["h"][0] == 0


def test_eigenvalues_of_a_two_layer_kernel_vanish_at_odd_degrees() -> None:
    found = harmonics.eigenvalues(3, 1, 32, [[4, 32]], "cpu")
    assert found["trace"] == pytest.approx(2)
    assert max(abs(found["eigenvalues"][k]) for k in (3, 5, 7, 31)) < 1e-14
    assert found["decay"]["4-32"] == pytest.approx(3, abs=0.1)


def test_the_rest_of_a_harmonic_is_its_zonal_coefficient() -> None:
    x, y, _, _, u = harmonics.sphere_data(4, 200, 0, "cpu")
    t = (x.double() @ u).numpy()
    third = 0.1 * torch.from_numpy(eval_gegenbauer(3, 1.0, t) / eval_gegenbauer(3, 1.0, 1.0))[:, None]
    assert harmonics.left(y, x, y, u) == pytest.approx([1.0] * 6)
    assert harmonics.left(y.double() - third, x, y, u) == pytest.approx([1, 0, 1, 1, 1, 1], abs=1e-4)


def test_linear_training_is_training_with_the_kernel_held_fixed() -> None:
    found = harmonics.linear_training(3, 2, 32, 0, 40, "cpu")
    x, y, _, _, u = harmonics.sphere_data(3, 40, 0, "cpu")
    net = harmonics.make_net(3, 2, 32, 0, "cpu")
    K = ntk(net, x, outputs="trace").double()
    i = 40
    residual = torch.linalg.matrix_exp(-found["times"][i] / 40 * K) @ y.double()
    assert found["train"][i] == pytest.approx(harmonics.left(residual, x, y, u), abs=1e-6)
    assert found["train"][0] == pytest.approx([1] * 6, abs=0.1)


def test_a_wide_network_follows_its_kernel() -> None:
    found = harmonics.network_training(3, 2, 2048, 0, 40, 20, 0.5, "cpu")
    for measured, linear in zip(found["train"], found["linear"], strict=True):
        assert measured == pytest.approx(linear, abs=0.05)
    assert abs(found["train"][-1][0]) < 0.5


def test_half_times() -> None:
    times = [10 ** (i / 10) for i in range(31)]
    assert harmonics.half_time(times, [math.exp(-t / 50) for t in times]) == pytest.approx(50 * math.log(2), rel=0.02)
    assert harmonics.half_time(times, [1.0] * 31) == math.inf
    assert harmonics.half_time(times, [0.1] * 31) == times[0]


def test_noise_has_the_size_of_the_labels() -> None:
    x, clean, noise, x_test, clean_test = harmonics.noisy_digits(4, 300, 0, "cpu")
    torch.testing.assert_close(x.norm(dim=1), torch.ones(300))
    assert set(clean.flatten().tolist()) == {-1.0, 1.0} == set(clean_test.flatten().tolist())
    assert float(noise.square().mean()) == pytest.approx(1, abs=0.2)
    assert len(x_test) == 300


def test_a_harmonic_generalises_if_it_halves_on_held_out_points_for_each_seed() -> None:
    falls, stays = [1.0, 0.6, 0.1], [1.0, 0.9, 0.8]

    def cell(*curves: list[float]) -> dict[str, list[list[float]] | list[float]]:
        return {"times": [1.0, 10.0, 100.0], "test": [list(row) for row in zip(*curves, strict=True)]}

    found = {
        "linear-10-9-8-0": cell(falls, falls, falls, falls, stays, stays),
        "linear-10-9-8-1": cell(falls, falls, stays, falls, stays, stays),
    }
    # There are 1782 harmonics of degree 5 in R^10, more than the points.
    assert generalises(found, 9, 8, [0, 1], 1000) == [True, True, False, False, False, False]
    assert generalises(found, 9, 8, [0, 1], 2000)[3]


def test_a_slope_has_the_error_of_its_seeds() -> None:
    numbers = {n: [n**-0.4, n**-0.5, n**-0.6] for n in (10, 100, 1000)}
    assert slope_text(numbers) == "slope -0.50 +- 0.058 (standard error)"


def test_points_keep_the_ticks_of_an_earlier_call() -> None:
    axes = Figure().subplots()
    points(axes, {100: [1.0], 200: [0.5]}, "first")
    points(axes, {100: [1.0], 500: [0.2]}, "second")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200", "500"]


def test_descent_from_the_start_is_descent_of_what_is_added_to_it() -> None:
    """Of a network that is linear in its parameters: f - f_0 after s steps is (1 - (1 - 2 lr K / n)^s) y."""
    torch.manual_seed(0)
    net, x, y = nn.Linear(3, 1, bias=False).double(), torch.randn(5, 3).double(), torch.randn(5, 1).double()
    seen = descend_from_start(net, x, y, 0.1, 7, [0, 3, 7])
    step = torch.eye(5).double() - 2 * 0.1 * x @ x.T / 5
    expected = [y - torch.linalg.matrix_power(step, s) @ y for s in (0, 3, 7)]
    torch.testing.assert_close(torch.stack(seen), torch.stack(expected))


def test_what_is_said_of_components() -> None:
    assert component_means([[1.0, 2.0], [3.0, 2.0]]) == "2.00 +- 1, 2.00 +- 0"
    assert inversion([[0.1, 0.2, 0.2], [0.1, 0.3, 0.4]]) == ""
    assert inversion([[0.1, 0.3, 0.2], [0.1, 0.3, 0.6]]).endswith("by a factor 1.500; means ordered")
    assert inversion([[0.1, 0.3, 0.2], [0.1, 0.3, 0.3]]).endswith("means not ordered")
    assert faster({100: [0.5, 0.7], 400: [0.8]}).startswith(". Below 1: faster")
    assert faster({100: [0.9], 400: [0.8]}) == faster({100: [0.9], 400: [1.1]}) == ""
