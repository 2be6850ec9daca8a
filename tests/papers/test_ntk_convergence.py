"""What the NTK convergence study computes, against formulas and against plain training."""

import math

import pytest
import torch

from hpnets.papers.ntk_convergence import cells
from hpnets.papers.ntk_convergence.claims import order, rates
from hpnets.papers.parts.jacot import BETA, JacotNet
from hpnets.papers.parts.wide import relative, trained
from hpnets.study import Result, Results
from hpnets.theory import limit_kernel


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
    measured = limit_kernel(JacotNet(3, 4), x)
    torch.testing.assert_close(measured.covariance, S)
    torch.testing.assert_close(measured.ntk, T)


def test_the_kernel_is_near_its_limit() -> None:
    measured = [cells.initial_kernel(512, seed, "cpu") for seed in range(3)]
    assert max(f["error"] for f in measured) < 0.4
    mean = torch.tensor([f["row"] for f in measured]).mean(0)
    assert relative(mean, torch.tensor(measured[0]["limit"])) < 0.2


def test_predictions_of_a_linear_network_are_exact() -> None:
    torch.manual_seed(0)
    net, x, z = JacotNet(2, 1, depth=1), torch.randn(8, 2), torch.randn(20, 2)
    measured = trained(net, x, x[:, :1] * x[:, 1:], z[:1], z, 1.0, 30)
    assert measured["move"] == pytest.approx(0, abs=1e-6)
    assert measured["inflation"] == pytest.approx(1, abs=1e-6)
    assert measured["finite"] < 1e-4
    assert measured["limit"] < 1e-4


def test_the_process_passes_through_its_data_in_the_end() -> None:
    limit = cells.four_limit(10**7, "cpu")
    angle = torch.linspace(-math.pi, math.pi, cells.ANGLES + 1)
    for a, y in zip(cells.FOUR, cells.FOUR_TARGETS, strict=True):
        i = int((angle - ((a + math.pi) % (2 * math.pi) - math.pi)).abs().argmin())
        assert limit["mean"][i] == pytest.approx(y, abs=0.05)
        assert limit["std"][i] < 0.03
    before = cells.four_limit(0, "cpu")
    assert max(map(abs, before["mean"])) == 0
    assert min(before["std"]) > 0.1


def test_components_start_at_a_half_and_fall() -> None:
    measured = cells.components(64, 0, 32, [1, 2], [0.0, 1.0], "cpu")
    assert measured["left"][0] == pytest.approx([0.5, 0.5])
    assert measured["predicted"][1][1] == pytest.approx(0.5 * math.exp(-1), rel=0.15)
    assert measured["h"][0] == 0


def several(*left: list[float], width: int = 8) -> list[Result]:
    """Networks along two components, of which a half and a tenth are predicted to be left."""
    options = {"width": width, "chosen": [1, 2]}
    return [Result("components", options, {"left": [row], "predicted": [[0.05, 0.25]]}) for row in left]


def test_what_is_said_of_components() -> None:
    kept = Results(tuple(several([0.05, 0.25], [0.04, 0.2])))
    assert order(kept, (1, 2))["what is left is in the order of the eigenvalues"] == [True, True]
    turned = order(Results(tuple(several([0.3, 0.2], [0.1, 0.5]))), (1, 2))
    assert turned["what is left is in the order of the eigenvalues"] == [False, True]
    assert (turned["worst inversion, a factor"], turned["means in order"]) == ("1.500", True)
    assert rates(kept, (1, 2))["greatest factor off theory"] == pytest.approx([1, 1.25])
    assert "below 1" in rates(Results((*several([0.03, 0.15]), *several([0.04, 0.2], width=16))), (1, 2))
    assert "below 1" not in rates(Results((*several([0.04, 0.2]), *several([0.03, 0.15], width=16))), (1, 2))
