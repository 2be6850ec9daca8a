"""Each activation's moments against two-dimensional quadrature that knows only the function itself."""

import math
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor, nn

from hpnets.theory import GELU, Cosine, Erf, LeakyReLU, Monomial, Quadrature, Sine, activation, dense, inputs
from hpnets.theory.activations import find_activation

SMOOTH: list[Any] = [Erf(), GELU(), Sine(), Sine(1.7), Cosine(), Cosine(0.6), *(Monomial(q) for q in range(1, 6))]
KINKED: list[Any] = [LeakyReLU(), LeakyReLU(0.2), LeakyReLU(-0.5)]
PAIRS = [(0.3, 0.7, 0.9), (-0.5, 1.2, 0.4), (0.0, 1.0, 2.0), (0.69, 0.7, 0.7), (-0.69, 0.7, 0.7)]


def expectation(f: Any, c: float, v: float, w: float) -> float:
    """E f(z, z') by the trapezoidal rule on z = sqrt(v) a, z' = (c/v) z + sqrt(w - c^2/v) b, 401^2 points."""
    t = torch.linspace(-10, 10, 401, dtype=torch.float64)
    weight = torch.exp(-(t**2) / 2) * (t[1] - t[0]) / math.sqrt(2 * math.pi)
    z = math.sqrt(v) * t[:, None]
    z2 = c / v * z + math.sqrt(w - c * c / v) * t[None]
    return float(weight @ f(z, z2) @ weight)


def derivative(s: Any, z: Tensor) -> Tensor:
    z = z.detach().requires_grad_()
    return torch.autograd.grad(s(z).sum(), z)[0]


@pytest.mark.parametrize("s", [*SMOOTH, *KINKED], ids=str)
@pytest.mark.parametrize("pair", PAIRS[:3])
def test_moments_are_integrals(s: Any, pair: tuple[float, float, float]) -> None:
    tolerance = 5e-3 if s in KINKED else 1e-9
    c, v, w = (torch.tensor(number, dtype=torch.float64) for number in pair)
    S, D = s.dual(c, v, w)
    assert float(S) == pytest.approx(expectation(lambda a, b: s(a) * s(b), *pair), rel=tolerance, abs=tolerance)
    slopes = expectation(lambda a, b: derivative(s, a) * derivative(s, b), *pair)
    assert float(D) == pytest.approx(slopes, rel=4 * tolerance, abs=4 * tolerance)
    mean = s.mean(v)
    assert float(0.0 if mean is None else mean) == pytest.approx(
        expectation(lambda a, b: s(a) + 0 * b, *pair), rel=tolerance, abs=tolerance
    )


@pytest.mark.parametrize("s", SMOOTH, ids=str)
@pytest.mark.parametrize("pair", PAIRS)
def test_quadrature_is_the_closed_form(s: Any, pair: tuple[float, float, float]) -> None:
    c, v, w = (torch.tensor([number], dtype=torch.float64) for number in pair)
    numeric = Quadrature(s)
    for ours, closed in zip(numeric.dual(c, v, w), s.dual(c, v, w), strict=True):
        torch.testing.assert_close(ours, closed, rtol=1e-10, atol=1e-12)
    closed_mean = s.mean(v)
    torch.testing.assert_close(
        numeric.mean(v), torch.zeros_like(v) if closed_mean is None else closed_mean, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("s", KINKED, ids=str)
def test_quadrature_of_a_kink_is_refused_or_as_rough_as_said(s: Any) -> None:
    c, v, w = (torch.tensor([number], dtype=torch.float64) for number in PAIRS[0])
    with pytest.raises(ValueError, match=r"leaves a relative error of .*smooth activation"):
        Quadrature(s).dual(c, v, w)
    torch.testing.assert_close(Quadrature(s, tolerance=1.0).dual(c, v, w)[0], s.dual(c, v, w)[0], rtol=5e-3, atol=0)


def test_quadrature_of_a_large_variance_is_refused() -> None:
    v = torch.tensor([400.0], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"at a variance of 400 to 400; .* variances nearer to 1"):
        Quadrature(torch.tanh).dual(v / 2, v, v)


@pytest.mark.parametrize("s", KINKED, ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_rectifiers_are_exact_where_the_angle_is_0_or_pi(s: LeakyReLU, sign: int) -> None:
    v = torch.tensor([2.0], dtype=torch.float64)
    S, D = s.dual(sign * v, v, v)
    a = s.slope
    assert float(S) == pytest.approx(1 + a**2 if sign > 0 else -2 * a, abs=1e-15)
    assert float(D) == pytest.approx((1 + a**2) / 2 if sign > 0 else a, abs=1e-15)


def test_a_point_of_zeros_has_no_nan() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    x[1] = 1
    x.requires_grad_()
    for s in ("relu", "gelu", "erf", "sin", "tanh"):
        h = dense(activation(dense(inputs(x)), s))
        gradient = torch.autograd.grad((h.S + h.T).sum(), x)[0]
        assert torch.isfinite(h.T).all()
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("none", None),
        (nn.Identity(), None),
        (nn.ReLU(), LeakyReLU()),
        (nn.LeakyReLU(0.3), LeakyReLU(0.3)),
        (nn.GELU(), GELU()),
        ("cube", Monomial(3)),
    ],
)
def test_activations_are_found(given: Any, expected: Any) -> None:
    assert find_activation(given) == expected


def test_callables_and_modules_without_a_closed_form_are_integrated() -> None:
    x = inputs(torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    for s in (nn.Tanh(), torch.tanh, "tanh"):
        torch.testing.assert_close(activation(dense(x), s).T, activation(dense(x), Quadrature(torch.tanh)).T)
    assert isinstance(find_activation(nn.GELU(approximate="tanh")), Quadrature)


def test_quadrature_is_differentiable() -> None:
    c, v = torch.tensor([0.3], dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    leaves = c.requires_grad_(), v.requires_grad_()
    assert torch.autograd.gradcheck(lambda c, v: Quadrature(torch.tanh).dual(c, v, 2 * v), leaves)


def test_bad_input() -> None:
    x = inputs(torch.ones(2, 3))
    with pytest.raises(ValueError, match="activation is 'swish'; allowed: none, relu, "):
        activation(dense(x), "swish")
    with pytest.raises(ValueError, match="q is 0; allowed"):
        Monomial(0)
    for h in (x, dense(x) * dense(x), activation(dense(x), "relu") + dense(x), dense(x) + 1):
        with pytest.raises(ValueError, match="relu of features that are not Gaussian"):
            activation(h, "relu")


def moments_of_gelu(c: mp.mpf, v: mp.mpf, w: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    q, inverse = (1 + v) * (1 + w), 1 / (1 + v) + 1 / (1 + w)
    D = q - c * c
    P, p = mp.mpf(1) / 4 + mp.asin(c / mp.sqrt(q)) / (2 * mp.pi), 1 / (2 * mp.pi * mp.sqrt(D))
    return c * P + p * (v * w + c * c * (inverse - 1)), P + p * c * (inverse + 1 / D)


def moments_of_erf(c: mp.mpf, v: mp.mpf, w: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    q = (1 + 2 * v) * (1 + 2 * w)
    return 2 / mp.pi * mp.asin(2 * c / mp.sqrt(q)), 4 / mp.pi / mp.sqrt(q - 4 * c * c)


def moments_of_relu(c: mp.mpf, v: mp.mpf, w: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    angle = mp.acos(c / mp.sqrt(v * w))
    return (
        (mp.sqrt(v * w) * mp.sin(angle) + (mp.pi - angle) * c) / (2 * mp.pi),
        (mp.pi - angle) / (2 * mp.pi),
    )


@pytest.mark.parametrize("size", [1e-280, 1e-200, 1e-80, 1e-20, 1.0, 1e4, 1e12, 1e16, 1e40, 1e160, 1e250])
@pytest.mark.parametrize(
    ("s", "formula"),
    [(LeakyReLU(), moments_of_relu), (Erf(), moments_of_erf), (GELU(), moments_of_gelu)],
    ids=["relu", "erf", "gelu"],
)
def test_moments_at_variances_of_any_size(s: Any, formula: Any, size: float) -> None:
    """v w leaves float64 beyond 1e+-154, 1 - r^2 its digits beyond 1e12; one point with itself among the pairs."""
    with mp.workdps(700):
        for cosine, ratio in ((1.0, 1.0), (0.5, 1.0), (-0.5, 1.0), (0.25, 16.0), (0.0, 1.0)):
            v, w, c = size, size * ratio, cosine * size * ratio**0.5
            ours = s.dual(*(torch.tensor([t], dtype=torch.float64) for t in (c, v, w)))
            for got, exact in zip(ours, formula(*map(mp.mpf, (c, v, w))), strict=True):
                assert float(got) == pytest.approx(float(exact), rel=1e-14, abs=1e-300)


def test_quadrature_at_tiny_variances() -> None:
    """tanh is the identity there."""
    v = torch.tensor([1e-200, 1e-280], dtype=torch.float64)
    S, D = Quadrature(torch.tanh).dual(v / 2, v, v)
    torch.testing.assert_close(S / v, torch.full_like(v, 0.5))
    torch.testing.assert_close(D, torch.ones_like(v))


@pytest.mark.parametrize("s", [GELU(), Erf()], ids=str)
def test_what_rounding_leaves_at_equal_points_is_taken_off_values_alone(s: Any) -> None:
    """d^2 K / dx dx' at x = x', by differences of points apart."""
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    kernel = lambda a, b: activation(dense(inputs(a, b)), s).T.sum()  # noqa: E731
    mixed = torch.autograd.functional.hessian(kernel, (x, x))[0][1].flatten()[0]
    h, e = 1e-3, torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    differences = sum(i * j * kernel(x + i * h * e, x + j * h * e) for i in (-1, 1) for j in (-1, 1)) / (4 * h * h)
    assert float(mixed) == pytest.approx(float(differences), rel=1e-5)


@pytest.mark.parametrize("s", [Sine(2.0), Cosine()], ids=str)
def test_waves_at_variances_that_round_their_phase_away_are_refused(s: Any) -> None:
    v = torch.tensor([1e10], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"variance of 1e\+10 leaves a relative error .*smaller points or weights"):
        s.dual(v, v, v)
