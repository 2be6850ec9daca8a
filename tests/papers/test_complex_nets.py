"""What the study of complex networks measures, on cases that are known."""

import math

import pytest
import torch

from hpnets.kernels import KernelPredictor
from hpnets.papers.complex_nets.cells import cells, distance, gap_of_limits
from hpnets.papers.complex_nets.sizes import Sizes
from hpnets.papers.parts.complex_learning import CONJUGATE, HOLOMORPHIC, MODULUS, learnt, taught
from hpnets.papers.parts.complex_pairs import kernel, limit, make_net, points
from hpnets.papers.parts.complex_witness import witness, witness_of_limit
from hpnets.papers.parts.shifted_images import drawn_images, nearest_pair, shift_curve, shifted_images
from hpnets.tasks.curves import least_angle


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


def test_shifted_images_keep_their_power_spectrum() -> None:
    (x, y), (z, right) = shifted_images("digits", 30, 0)
    assert x.shape == z.shape == (30, 60)
    assert y.shape == right.shape == (30, 10)
    assert bool((y.sum(1).abs() < 1e-9).all())
    pixels, classes = drawn_images("digits", 60, torch.Generator().manual_seed(0))
    still = torch.fft.fft2(pixels).abs().square()
    half = torch.tensor([(a, b) for a in range(8) for b in range(8) if (a, b) < (-a % 8, -b % 8)])
    expected = 30 * still[:, half[:, 0], half[:, 1]] / still[:, half[:, 0], half[:, 1]].sum(1, keepdim=True)
    power = torch.cat([x, z])[:, :30] ** 2 + torch.cat([x, z])[:, 30:] ** 2
    torch.testing.assert_close(power, expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(torch.cat([y, right]).argmax(1), classes)
    with pytest.raises(ValueError, match="task is 'line'; allowed: digits, fashion_mnist"):
        cells(Sizes(task="line"))


def test_an_image_shifted_around_is_a_curve_of_the_sphere() -> None:
    """At whole pixels it is the rolled image, without the frequency that half a pixel would lose."""
    image = torch.rand(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curve, t = shift_curve(image), 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8
    alternating = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)
    flat = image - image.mean() - (image @ alternating / 8)[:, None] * alternating
    rolled = torch.stack([flat.roll(i, 1).flatten() for i in range(8)])
    torch.testing.assert_close(curve(t), rolled / flat.norm())
    torch.testing.assert_close(curve(torch.tensor([0.3, 2.0])).norm(dim=1), torch.ones(2, dtype=torch.float64))
    near, far = (nearest_pair("digits", among, 0) for among in (200, 1))
    assert 0 < least_angle(near) < least_angle(far)
