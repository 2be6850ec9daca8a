"""Each activation's moments against two-dimensional quadrature that knows only the function itself."""

import math
from typing import Any

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
    with pytest.raises(ValueError, match="at a variance of 400"):
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
    ("given", "found"),
    [
        ("none", None),
        (nn.Identity(), None),
        (nn.ReLU(), LeakyReLU()),
        (nn.LeakyReLU(0.3), LeakyReLU(0.3)),
        (nn.GELU(), GELU()),
        ("cube", Monomial(3)),
    ],
)
def test_activations_are_found(given: Any, found: Any) -> None:
    assert find_activation(given) == found


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
