"""The parts of the study of robust features: pairs of classes, numbers of kernels, networks at equal accuracy."""

import pytest
import torch

from hpnets.papers.parts.boxed_pairs import pair_of
from hpnets.papers.parts.equal_accuracy import at_best_rate, at_equal_accuracy
from hpnets.papers.parts.feature_agreement import overlap
from hpnets.papers.parts.feature_machines import Kernel, centred, chosen, slope_error, sum_error
from hpnets.study import Result, Results


def runs(curves: dict[tuple[float, int], tuple[list[float], list[float], list[float]]]) -> Results:
    """Cells by (lr, seed): validation losses and accuracies, and robust accuracies, at three epochs."""
    made = []
    for (lr, seed), (loss, accuracy, robust) in curves.items():
        value = {"validation": loss, "validation accuracy": accuracy, "clean": accuracy, "robust": robust}
        made.append(Result("trained", {"lr": lr, "seed": seed}, value))
    return Results(tuple(made))


def test_networks_are_compared_where_both_reach_one_accuracy() -> None:
    net = runs(
        {(0.1, 0): ([9.0] * 3, [0.9] * 3, [0.0] * 3), (0.2, 0): ([1, 0.5, 0.6], [0.6, 0.8, 0.9], [0.5, 0.4, 0.3])}
    )
    twin = runs({(0.1, 0): ([1, 2, 3], [0.5, 0.7, 0.6], [0.1, 0.2, 0.9]), (0.2, 0): ([2] * 3, [1] * 3, [1] * 3)})
    assert at_best_rate(net).items[0].options["lr"] == 0.2
    assert at_equal_accuracy(net, twin) == [(0.4, 0.8, 0.2, 0.7)]  # 0.7 is the most that the twin reaches
    with pytest.raises(ValueError, match=r"the twin has lr and seed .*; allowed: those of its net"):
        at_equal_accuracy(net, runs({(0.1, 0): ([1], [1], [1])}))


def test_a_pair_is_balanced_and_its_parts_are_apart() -> None:
    pair = pair_of("digits 3-8", 40, 20, 0)
    assert [part.y.bincount().tolist() for part in pair[:3]] == [[20, 20], [10, 10], [10, 10]]
    assert set(pair.train.targets.flatten().tolist()) == {-1.0, 1.0}
    rows = [{tuple(x.flatten().tolist()) for x in part.x} for part in pair[:3]]
    assert not rows[0] & rows[2]
    assert not torch.equal(pair.train.x, pair_of("digits 3-8", 40, 20, 1).train.x)
    with pytest.raises(ValueError, match=r"data is 'two_curves 0-1'; allowed: pairs of digits"):
        pair_of("two_curves 0-1", 10, 10, 0)


@pytest.mark.parametrize(("network", "width"), [("mlp-relu", 0), ("ccp-3-none", 0), ("skip-2-relu", 8), ("cnn", 2)])
def test_machines_are_exact(network: str, width: int) -> None:
    pair = pair_of("digits 3-8", 40, 20, 0)
    kernel = Kernel(network, pair, width, 0)
    f = kernel.machine(kernel.features.coefficients())
    torch.testing.assert_close(f(pair.train.x), pair.train.targets, rtol=0, atol=1e-5)
    torch.testing.assert_close(f(pair.test.x), kernel.cross(pair.test.x) @ kernel.features.coefficients())
    assert sum_error(kernel, pair.test.x) < 1e-12
    assert slope_error(f, pair.test.x) < 1e-5


def test_features_of_a_singular_kernel_add_up_too() -> None:
    """The twin of a product is linear: 120 digits of 64 pixels have a kernel of rank below 64."""
    pair = pair_of("digits 3-8", 120, 20, 0)
    kernel = Kernel("ccp-3-none-sum", pair, 0, 0)
    assert kernel.features.rank < 64
    assert sum_error(kernel, pair.test.x) < 1e-12


def test_overlap_and_centring() -> None:
    A = torch.randn(30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    K = A @ A.T
    assert overlap(K, K, 5) == pytest.approx(1)
    assert overlap(K, torch.linalg.inv(K), 15) == pytest.approx(0, abs=1e-9)
    H = torch.eye(30) - 1 / 30
    torch.testing.assert_close(centred(K), H.double() @ K @ H.double(), rtol=0, atol=1e-5)
    assert chosen((20, 60), 1000) == [20, 30, 40, 49, 59]
    assert chosen((20, 60), 22) == [20, 21]
    assert chosen((20, 60), 10) == []
