"""Attacks against brute force and closed forms on toys, and what each promises."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets.attacks import Ball, attack, losses, perturb
from hpnets.kernels import KernelMachine, KernelPredictor, tangent_machine
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.options import AttackOptions
from hpnets.theory import limit_kernel

BOX = torch.tensor([-1.0, 0.0]).double(), torch.tensor([3.0, 1.0]).double()  # features of range 4 and 1
NORMS = ("linf", "l2")


def drawn(n: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 2, generator=g, dtype=torch.float64)
    return BOX[0] + (BOX[1] - BOX[0]) * x, torch.randint(3, (n,), generator=g)


def small_net(seed: int = 0) -> nn.Module:
    """A net of three classes that bends within the box, in float64."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3)).double().requires_grad_(False)


def machine(kind: str) -> tuple[object, Tensor, Tensor]:
    """A kernel machine of two classes on points of the box, with other points and labels of it."""
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=(2,), output_dim=1, width=16, depth=1).double()
    (x, _), (at, _) = drawn(12, 1), drawn(20, 2)
    y, labels = ((p[:, 0] > 1 + p[:, 1]).long() for p in (x, at))
    target = 2.0 * y[:, None] - 1
    if kind == "tangent":
        c = KernelPredictor(ntk(net, x, outputs="trace"), target, ridge=0.1).flow(float("inf")).values
        return tangent_machine(net, x, c, batch_size=5), at, labels
    c = KernelPredictor(limit_kernel(net, x).ntk, target, ridge=0.1).flow(float("inf")).values
    return KernelMachine(lambda a, b: limit_kernel(net, a, b).ntk, x, c), at, labels


def grid_of(x: Tensor, eps: float, norm: str, side: int = 41) -> Tensor:
    """All points (K, N, 2) of a grid over the ball of each sample that lie in the box."""
    steps = torch.linspace(-eps, eps, side, dtype=torch.float64)
    d = torch.cartesian_prod(steps, steps)
    d = d if norm == "linf" else d[d.norm(dim=1) <= eps]
    return (x + d[:, None] * (BOX[1] - BOX[0])).clamp(*BOX)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["net", "tangent", "limit"])
def test_pgd_is_as_strong_as_brute_force_in_two_dimensions(kind: str, norm: str) -> None:
    f, x, y = (small_net(), *drawn()) if kind == "net" else machine(kind)
    eps = 0.15
    options = AttackOptions(eps, norm=norm, steps=15, step_size=0.2, restarts=4)
    at = attack(f, x, y, BOX, options)
    points = grid_of(x, eps, norm)
    every = losses("cross_entropy", f(points.flatten(0, 1)).detach(), y.repeat(len(points)))
    brute, share = every.view(len(points), -1).amax(0), 1 if kind == "net" else 0.93  # kinks of ReLU hold sign steps up
    assert (at.loss >= share * brute - 2e-3).all()
    assert at.loss.sum() >= 0.99 * brute.sum()
    assert at.accuracy < attack(f, x, y, BOX, AttackOptions(1e-9)).accuracy  # the toy is not robust by itself


@pytest.mark.parametrize("norm", NORMS)
def test_points_stay_in_the_ball_and_in_the_box(norm: str) -> None:
    x, y = drawn()
    x[0] = torch.tensor([5.0, -1.0])  # a sample outside the box, as a test sample may be
    low, high = torch.minimum(BOX[0], x), torch.maximum(BOX[1], x)
    for name, eps in itertools.product(("pgd", "fgsm", "noise"), (0.05, 0.9)):
        options = AttackOptions(eps, name, norm, steps=5)
        for point in (attack(small_net(), x, y, BOX, options).x, perturb(small_net(), x, y, BOX, options)):
            d = (point - x) / (BOX[1] - BOX[0])
            assert (d.abs().amax(1) if norm == "linf" else d.norm(dim=1)).max() <= eps * (1 + 1e-12)
            assert ((point >= low) & (point <= high)).all()
            assert not torch.equal(point, x)


def test_fgsm_is_the_sign_of_a_finite_difference() -> None:
    """Of the loss, through a network, a limit kernel and a network's own kernel."""
    for f, x, y in ((small_net(), *drawn()), machine("tangent"), machine("limit")):
        h = 1e-6
        slopes = [
            (losses("cross_entropy", f(x + step), y) - losses("cross_entropy", f(x - step), y)) / (2 * h)
            for step in h * torch.eye(2, dtype=torch.float64)
        ]
        options = AttackOptions(0.01, "fgsm")
        moved = (perturb(f, x, y, BOX, options) - x) / (0.01 * (BOX[1] - BOX[0]))
        inside = moved.abs() > 1 - 1e-6  # the box cuts off the others
        assert inside.double().mean() > 0.9
        assert torch.equal(moved.sign()[inside], torch.stack(slopes, 1).sign()[inside])


def test_the_gradient_of_a_machine_is_its_finite_difference() -> None:
    for kind in ("tangent", "limit"):
        f, x, _ = machine(kind)
        x = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(f(x).sum(), x)
        h = 1e-5
        for j, step in enumerate(h * torch.eye(2, dtype=torch.float64)):
            slope = ((f(x + step) - f(x - step)) / (2 * h)).detach()[:, 0]
            torch.testing.assert_close(gradient[:, j], slope, rtol=1e-6, atol=1e-7)


def test_a_linear_classifier_in_closed_form() -> None:
    """The margin of f = x a falls by eps |range a|_1 in linf, and by eps |range a|_2 in l2, within a wide box."""
    a = torch.tensor([[0.3], [-2.0]]).double()
    x, y = drawn()
    y, wide = y.clamp(max=1), (BOX[0] - 4, BOX[1] + 4)
    for norm, dual in (("linf", 1), ("l2", 2)):
        at = attack(lambda p: p @ a, x, y, wide, AttackOptions(0.02, norm=norm, loss="margin"))
        clean = losses("margin", x @ a, y)
        reach = 0.02 * ((wide[1] - wide[0])[:, None] * a).norm(dual)
        torch.testing.assert_close(at.loss, clean + 2 * reach)


def test_a_stronger_attack_never_reports_more_accuracy() -> None:
    net, (x, y) = small_net(3), drawn(200)
    for loss, norm in itertools.product(("cross_entropy", "margin"), NORMS):
        shared: dict[str, Any] = {"eps": 0.06, "norm": norm, "loss": loss}
        chains: tuple[list[dict[str, Any]], ...] = (
            [{"name": "fgsm"}, {"steps": 1}, {"steps": 3}, {"steps": 30}],
            [{"restarts": 1, "steps": 3}, {"restarts": 4, "steps": 3}],
            [{"name": "noise", "restarts": 1}, {"name": "noise", "restarts": 20}],
        )
        for chain in chains:
            each = [attack(net, x, y, BOX, AttackOptions(**{**shared, **more})) for more in chain]
            wrong = [int((net(x).argmax(1) != y).sum()), *(int(at.wrong.sum()) for at in each)]
            assert wrong == sorted(wrong)
            for less, more in itertools.pairwise(each):
                assert (more.wrong | ~less.wrong).all()
    small = attack(net, x, y, BOX, AttackOptions(0.05))
    large = attack(net, x, y, BOX, AttackOptions(0.06, steps=1), candidates=(small.x,))
    assert (large.wrong | ~small.wrong).all()


@pytest.mark.parametrize("norm", NORMS)
def test_an_attack_is_a_function_of_seed_and_sample(norm: str) -> None:
    """Neither the size of the batch nor the order of its samples matters; another seed does."""
    net, (x, y) = small_net(), drawn()
    for options in (AttackOptions(0.1, norm=norm, steps=3, restarts=2), AttackOptions(0.1, "noise", norm)):
        whole = attack(net, x, y, BOX, options)
        alone = torch.cat([attack(net, *pair, BOX, options).x for pair in zip(x.split(7), y.split(7), strict=True)])
        torch.testing.assert_close(whole.x, alone, rtol=0, atol=1e-12)
        turned = attack(net, x.flip(0), y.flip(0), BOX, options)
        torch.testing.assert_close(whole.x, turned.x.flip(0), rtol=0, atol=1e-12)
    random = Ball.around(x, BOX, 0.1, norm)
    assert not torch.equal(random.random(0, 0), random.random(1, 0))
    assert not torch.equal(random.random(0, 0), random.random(0, 1))


def test_random_points_fill_the_ball() -> None:
    x = torch.arange(4000, dtype=torch.float64)[:, None].expand(-1, 3) * 1e-3  # samples differ, else all get one point
    box = torch.full((3,), -1e3), torch.full((3,), 1e3)
    cube = Ball.around(x, box, 0.1, "linf").random(0, 0) / 0.1
    ball = Ball.around(x, box, 0.1, "l2").random(0, 0) / 0.1
    assert cube.mean(0).abs().max() < 0.03  # 5 standard errors of a uniform number in [-1, 1]
    assert (cube.square().mean(0) - 1 / 3).abs().max() < 0.03
    assert abs(float((ball.norm(dim=1) < 0.5).double().mean()) - 1 / 8) < 0.03
    assert ball.mean(0).abs().max() < 0.03
    assert torch.corrcoef(cube.T).fill_diagonal_(0).abs().max() < 0.08


def test_modes_and_gradients_are_left_as_they_were() -> None:
    net, (x, y) = small_net().requires_grad_(True), drawn()
    with torch.inference_mode():
        inside = attack(net, x * 1.0, y, BOX, AttackOptions(0.1, steps=2))
    torch.testing.assert_close(inside.x, attack(net, x, y, BOX, AttackOptions(0.1, steps=2)).x)
    assert all(p.grad is None for p in net.parameters())
    assert not inside.x.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": (BOX[1], BOX[0])}, "box is 'one of a range below 0'; allowed"),
        ({"box": (torch.zeros(3), torch.ones(3))}, r"box\[0\] has shape \(3,\); allowed: one that broadcasts"),
        ({"y": torch.zeros(40)}, "y is 'torch.float32 of shape .*allowed: labels"),
        ({"y": torch.full((40,), 3)}, "y holds the labels 3 to 3; allowed: 0 to 2"),
        ({"y": torch.zeros(39, dtype=torch.int64)}, r"f\(x\) has shape \(40, 3\); allowed: \(39, classes\)"),
        ({"options": AttackOptions(1.5, norm="l2")}, "eps is 1.5; allowed: 0 to 1.414, the diameter"),
    ],
)
def test_what_fits_no_attack_is_refused(change: dict, message: str) -> None:
    x, y = drawn()
    whole = {"x": x, "y": y, "box": BOX, "options": AttackOptions(0.1), **change}
    with pytest.raises(ValueError, match=message):
        attack(small_net(), **whole)
