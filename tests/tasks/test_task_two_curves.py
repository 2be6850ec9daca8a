"""The curves' geometry against formulas and finite differences, and the task's points against the curves."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hpnets.tasks.curves import (
    Curve,
    Curves,
    coaxial,
    curvature,
    even_parameters,
    fourier,
    least_angle,
    make_curves,
    sinusoid,
    speed,
)
from hpnets.tasks.two_curves import TwoCurvesTask

ALL = {"coaxial": coaxial(0.4), "sinusoid": sinusoid(0.24, 0.35, 6), "fourier": fourier(8, 0.1, 0)}


def by_differences(curve: Curve, t: Tensor, h: float = 1e-3) -> tuple[Tensor, Tensor]:
    """|x'| and the curvature as the change of the unit tangent per length, by central differences of fourth order."""

    def derivative(f: Curve, s: Tensor) -> Tensor:
        return (8 * (f(s + h) - f(s - h)) - (f(s + 2 * h) - f(s - 2 * h))) / (12 * h)

    def tangent(s: Tensor) -> Tensor:
        v = derivative(curve, s)
        return v / v.norm(dim=1, keepdim=True)

    size = derivative(curve, t).norm(dim=1)
    return size, derivative(tangent, t).norm(dim=1) / size


@pytest.mark.parametrize("name", ALL)
def test_curves_are_closed_and_on_the_sphere(name: str) -> None:
    t = even_parameters(50)
    for curve in ALL[name]:
        torch.testing.assert_close(curve(t).norm(dim=1), torch.ones(50, dtype=torch.float64))
        torch.testing.assert_close(curve(t), curve(t + 2 * math.pi))


@pytest.mark.parametrize("name", ALL)
def test_speed_and_curvature_are_those_of_differences(name: str) -> None:
    t = even_parameters(40, 0.3)
    for curve in ALL[name]:
        size, bend = by_differences(curve, t)
        torch.testing.assert_close(speed(curve, t), size, rtol=1e-5, atol=0)
        torch.testing.assert_close(curvature(curve, t), bend, rtol=1e-3, atol=0)
        assert (curvature(curve, t) > 1 - 1e-12).all()


def test_circles_have_known_geometry() -> None:
    r, t = math.sqrt(1 - 0.2**2), even_parameters(5)
    torch.testing.assert_close(curvature(ALL["coaxial"].first, t), torch.full((5,), 1 / r, dtype=torch.float64))
    torch.testing.assert_close(speed(ALL["coaxial"].second, t), torch.full((5,), r, dtype=torch.float64))
    assert least_angle(ALL["coaxial"]) == pytest.approx(2 * math.asin(0.2), rel=1e-9)


def test_the_least_angle_is_that_of_a_fine_grid_and_of_curves_that_cross() -> None:
    for curves in (ALL["sinusoid"], ALL["fourier"]):
        t = even_parameters(8000)
        fine = min(float(torch.cdist(part, curves.second(t)).min()) for part in curves.first(t).split(1000))
        assert least_angle(curves) == pytest.approx(2 * math.asin(fine / 2), rel=1e-4)
        assert least_angle(curves) <= 2 * math.asin(fine / 2) + 1e-12
    crossing = Curves(sinusoid(0.0, 0.3, 5).first, coaxial(0.1).first)
    assert least_angle(crossing) < 1e-9


def test_a_fourier_curve_has_its_degree_and_its_offset() -> None:
    """c / |c| is no polynomial, but ratios of coordinates are those of trigonometric polynomials in [-1, 1]."""
    first, second = fourier(4, 0.05, 3)
    t = even_parameters(64)
    x, y = first(t), second(t)
    # c = |c| x and c + Delta = |c'| y: for each t two unknown lengths, d equations.
    A = torch.stack([y, -x], 2)
    lengths = torch.linalg.lstsq(A, torch.full((64, 10, 1), 0.05, dtype=torch.float64)).solution[..., 0]
    c = lengths[:, 1:] * x
    torch.testing.assert_close(lengths[:, :1] * y - c, torch.full_like(c, 0.05), rtol=0, atol=1e-9)
    waves = torch.fft.rfft(c, dim=0).abs() / 64
    assert float(waves[5:].max()) < 1e-9
    assert float(waves[4].min()) > 1e-4
    assert float(c.abs().max()) <= 1
    assert not torch.equal(fourier(4, 0.05, 4).first(t), x)


OPTIONS: list[dict[str, Any]] = [
    {"spacing": "even"},
    {"spacing": "random", "seed": 3},
    {"curve": "sinusoid", "separation": 0.3, "amplitude": 0.2, "frequency": 3},
    {"curve": "fourier", "degree": 5, "seed": 2},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_points_are_on_their_curves(options: dict[str, Any]) -> None:
    task = TwoCurvesTask(train_size=60, test_size=80, batch_size=20, **options)
    task.setup()
    t = even_parameters(20_000)
    for samples, size in ((task.train_set, 60), (task.val_set, 80), (task.test_set, 80)):
        x, y = samples.batch(range(len(samples)))
        assert y.bincount().tolist() == [size // 2, size // 2]
        assert (x.norm(dim=1) - 1).abs().max() < 1e-6
        for label, curve in enumerate(task.curves):
            assert torch.cdist(x[y == label].double(), curve(t)).amin(1).max() < 3e-3


def test_even_points_are_evenly_spaced_and_random_ones_are_not() -> None:
    for spacing, even in (("even", True), ("random", False)):
        task = TwoCurvesTask(spacing=spacing)
        task.setup()
        x, y = task.train_set.batch(range(200))
        angle = torch.atan2(x[y == 0][:, 1], x[y == 0][:, 0]).sort().values
        assert bool((angle.diff() - 2 * math.pi / 100).abs().max() < 1e-5) == even


def test_evaluation_does_not_depend_on_the_training_size() -> None:
    small, large = (TwoCurvesTask(train_size=n, batch_size=10) for n in (10, 500))
    for task in (small, large):
        task.setup()
    assert torch.equal(small.test_set.batch(range(400))[0], large.test_set.batch(range(400))[0])


def test_curves_that_meet_are_refused() -> None:
    with pytest.raises(ValueError, match=r"separation is 0\.0; allowed: one at which the curves do not meet"):
        make_curves("sinusoid", separation=0.0)
    with pytest.raises(ValueError, match=r"separation / 2 \+ amplitude is 1.1; allowed: < 1"):
        make_curves("sinusoid", separation=0.2, amplitude=1.0)
