"""What the memorisation study computes, against plain training, counting and formulas."""

import math

import pytest
import torch
from torch.nn import functional as F

from hpnets.papers.memorisation import cells
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.papers.parts.ensembles import fit
from hpnets.papers.parts.least_eigenvalues import smallest
from hpnets.papers.parts.memory import least, memorise, padded
from hpnets.papers.parts.sized_networks import (
    build,
    drawn,
    expected_dead,
    noise_points,
    parameters,
    square_dim,
    width_needed,
    width_of,
    with_unit_readout,
)

NETWORKS = ("mlp-sigmoid", "mlp-relu", "pnn-2-relu", "skip-4-relu", "skip-2-relu-sum", "ccp-4-none", "ccp-2-relu-sum")


def test_parameters_are_counted_and_widths_are_the_largest() -> None:
    for name in NETWORKS:
        assert parameters(name, 5, 7) == sum(p.numel() for p in build(name, 5, 7).parameters()), name
        width = width_of(name, 5, 333)
        assert parameters(name, 5, width) <= 333 < parameters(name, 5, width + 1), name
    assert [square_dim(p) for p in (351, 405, 406)] == [13, 13, 14]


def test_a_unit_readout_has_weights_of_variance_1_and_no_factor() -> None:
    x = torch.randn(3, 4)
    for name in ("mlp-relu", "ccp-2-none", "pnn-2-relu"):
        torch.manual_seed(0)
        net = build(name, 4, 4096)
        scale = net.output_scale if name.startswith("pnn") else 4096**-0.5
        f = net(x).detach()
        torch.testing.assert_close(with_unit_readout(net)(x).detach() * scale, f, msg=name)


def test_padded_networks_train_as_they_do_alone() -> None:
    """Widths 2 and 5 in one ensemble against each by itself: the units beside stay 0."""
    data = [noise_points(3, 12, seed) for seed in (0, 1)]
    x, y = (torch.stack(part) for part in zip(*data, strict=True))
    for name in ("ccp-3-none", "ccp-2-relu-sum", "mlp-relu"):
        nets = [drawn(name, 3, width, 0) for width in (2, 5)]
        together = padded(nets, "cpu")
        losses = fit(together, x, y, 20, 0.01)
        for i, net in enumerate(nets):
            alone = fit(padded([net], "cpu"), x[i : i + 1], y[i : i + 1], 20, 0.01)
            torch.testing.assert_close(losses[i : i + 1], alone, rtol=1e-4, atol=1e-6, msg=name)
        first = next(iter(together.params.values()))
        assert not first[0, 2:].any()
        assert first[1, 2:].any()


def test_rank_limits_what_is_memorised() -> None:
    """ccp of degree 2 in R^3 has rank 10 at most: 30 labels stay, 8 do not."""
    wide = memorise("ccp-2-none", 3, 30, 1.0, [12], [0], 200, "cpu")
    assert wide["rank"] == [[10]]
    assert wide["parameters"] == [85]
    assert min(wide["loss"][0]) > 0.1
    x, y = noise_points(3, 30, 0)
    squares = torch.stack([x[:, i] * x[:, j] for i in range(3) for j in range(i + 1)], 1)
    monomials = torch.cat([torch.ones(30, 1), x, squares], 1)
    best = float((y - monomials @ torch.linalg.lstsq(monomials, y).solution).square().mean())
    assert wide["loss"][0][0] == pytest.approx(best, rel=0.2)
    assert wide["loss"][0][0] > best * 0.999
    assert max(memorise("ccp-2-none", 3, 8, 1.0, [12], [0], 200, "cpu")["loss"][0]) < 0.02


def test_eigenvalues_at_the_edge() -> None:
    few = smallest("mlp-relu", 0, 60, 0.9, 0, "cpu")
    enough = smallest("mlp-relu", 0, 60, 8.0, 0, "cpu")
    assert few["singular"]
    assert few["min"] == 0
    assert few["parameters"] <= 54
    assert enough["min"] == pytest.approx(enough["stored"], rel=1e-6)
    assert enough["width"] == enough["dim"] == square_dim(480)


def test_ranks_of_networks_with_relu_stay_below_their_bound() -> None:
    for network in ("pnn-2-relu", "skip-2-relu", "ccp-2-none"):
        made = cells.ranks(network, 4, [1, 3], 60, 0, "cpu")
        assert made["rank"] == made["predicted"], network
    few = cells.ranks("skip-3-relu", 4, [3], 40, 0, "cpu")  # some pieces hold fewer than 4 of 40 points
    assert few["rank"][0] < few["predicted"][0] == 36
    x = torch.randn(4000, 4)
    dead = (build("pnn-3-relu", 4, 6)(x) == 0).sum()
    assert float(dead) == pytest.approx(expected_dead("pnn-3-relu", 4000, 6), rel=0.5)
    assert expected_dead("pnn-3-none", 4000, 6) == expected_dead("skip-3-relu", 4000, 6) == 0


def test_the_nearest_points_bound_the_kernel_on_the_sphere() -> None:
    made = cells.on_sphere("pnn-1-relu", 3, 20, 0, "cpu")
    x = F.normalize(noise_points(3, 20, 0, "sphere")[0].double())
    angle = math.acos(1 - made["nearest"] ** 2 / 2)
    kappa_0, kappa_1 = (math.pi - angle) / math.pi, (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi
    K = kappa_1 + math.cos(angle) * kappa_0
    assert made["bound"] == pytest.approx(2 - K)
    assert 0 < made["min"] < made["bound"]
    assert made["nearest"] == pytest.approx(float(torch.pdist(x).min()))


def test_thresholds_are_where_all_wider_ones_memorise() -> None:
    rows = [{"P": P, "n": 10, "memorised": done} for P, done in ((10, True), (20, False), (30, True), (40, True))]
    assert least(rows) == 3
    assert least(rows[:2]) == 4, "beyond the grid: twice its end"
    assert width_needed("ccp-2-none", 3, 10) == 2
    assert width_needed("ccp-2-none", 3, 11) == math.inf
    assert width_needed("mlp-relu", 3, 32) == 4


def test_images_that_are_none_are_refused_before_work() -> None:
    with pytest.raises(ValueError, match="unknown task 'fashion'; did you mean fashion_mnist"):
        cells.cells(Sizes(task="fashion"))
    with pytest.raises(ValueError, match="task is 'line'; allowed: digits, fashion_mnist"):
        cells.cells(Sizes(task="line"))
