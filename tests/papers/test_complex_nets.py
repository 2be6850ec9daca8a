"""What the study of complex networks measures, on cases that are known."""

import math

import pytest
import torch

from hpnets.kernels import KernelPredictor
from hpnets.papers.complex_learning import CONJUGATE, HOLOMORPHIC, MODULUS, learnt, taught
from hpnets.papers.complex_nets.cells import distance, gap_of_limits
from hpnets.papers.complex_pairs import kernel, limit, make_net, points
from hpnets.papers.complex_witness import witness, witness_of_limit
from hpnets.papers.shifted_digits import shifted_digits


def test_names_make_the_networks_they_say() -> None:
    x = points(5, 4, 0).float()
    assert torch.allclose(x.square().sum(1), torch.tensor(4.0))
    for name, degree in (("none-mult-3", 3), ("none-skip-2", 2), ("none-mult-2-sum", 1), ("mlp-none", 1)):
        for net in (make_net(name, 4, 8), make_net(f"real-{name}", 4, 8)):
            if "skip" not in name:
                assert torch.allclose(net(2 * x), 2**degree * net(x), rtol=1e-4, atol=1e-5)
            held = {key for key, p in net.named_parameters() if not p.requires_grad}
            assert all(key.split(".")[-1] in ("a", "b", "bias") for key in held)
            assert kernel(net, x).shape == (5, 5)


def test_what_a_complex_product_learns() -> None:
    """d (d + 1) functions from as many points, of which the real product needs d (2 d + 1)."""
    for target, least in ((HOLOMORPHIC, 1e-9), (MODULUS, None), (CONJUGATE, None)):
        ours = learnt("none-mult-2", target, [11, 12, 200], 3, 50, 0, "cpu")["error"]
        real = learnt("real-none-mult-2", target, [20, 21], 3, 50, 0, "cpu")["error"]
        assert real[0] > 1e-3 > 1e-9 > real[1]
        assert (ours[0] > 1e-3 > least > max(ours[1:])) if least else min(ours) > 0.5


def test_the_floor_is_on_the_training_points_too() -> None:
    """With more points than functions even the fit cannot pass through them."""
    x = points(60, 3, 0)
    K = limit("none-mult-2", x)
    assert int(torch.linalg.matrix_rank(K)) == 12
    for target, low, high in ((HOLOMORPHIC, 0, 1e-6), (CONJUGATE, 0.5, 1.1)):
        y = taught(target, x)
        off = K @ KernelPredictor(K, y).flow(math.inf).values - y
        assert low <= float(off.norm() / y.norm()) <= high


def test_witnesses_and_distances_of_cells_are_those_of_their_networks() -> None:
    assert witness_of_limit("none-mult-2", 3, "cpu")["values"] == pytest.approx([0.09, -0.07, -0.55])
    near = witness("none-mult-2", 0, 20, 256, 3, "cpu")["values"]
    assert near == pytest.approx([0.09, -0.07, -0.55], abs=0.08)
    for name in ("mlp-split_relu", "mlp-none", "split_relu-mult-1"):
        assert max(distance(name, 512, 2, 6, 3, "cpu")["error"]) < 0.25
    same = {"dim": 3, "number": 10, "held": 20, "steps": 20, "device": "cpu"}
    assert gap_of_limits("split_relu-mult-1", **same)["gap"] < 1e-9
    assert gap_of_limits("none-skip-2", **same)["gap"] > 0.1


def test_shifted_digits_keep_their_power_spectrum() -> None:
    (x, y), (z, right) = shifted_digits(30, 0)
    assert x.shape == z.shape == (30, 60)
    assert y.shape == right.shape == (30, 10)
    assert bool((y.sum(1).abs() < 1e-9).all())
    power = x[:, :30] ** 2 + x[:, 30:] ** 2
    assert torch.allclose(power.sum(1), torch.full((30,), 30.0, dtype=torch.float64))
    assert not torch.allclose(x, z)
