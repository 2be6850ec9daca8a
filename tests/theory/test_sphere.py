"""Eigenvalues on the sphere against 40 digits, closed forms, and the traps that are known of them."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hpnets.theory import dot_product, funk_hecke, sphere_spectrum
from tests.theory import kappas
from tests.theory.sphere_oracle import DEGREES, DIMS, FILE, NAMES, eigenvalue

KAPPAS = {"two_layer": kappas.two_layer, "product3": kappas.multiplicative(3), "skip3": kappas.skip(3)}
REFERENCE = json.loads(FILE.read_text())


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", NAMES)
def test_eigenvalues_against_40_digits(name: str, dim: int) -> None:
    """Within the error that is told, and to 1e-8 of themselves: lambda_64 at d = 10 is 1e-14 of the largest."""
    spectrum = sphere_spectrum(KAPPAS[name], dim, max(DEGREES))
    assert spectrum.converged
    for k in DEGREES:
        truth = float(REFERENCE[f"{name} {dim} {k}"])
        error = abs(float(spectrum.eigenvalues[k]) - truth)
        assert error < float(spectrum.errors[k])
        assert error < 1e-8 * truth


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_stored_digits_are_what_the_oracle_computes(name: str) -> None:
    for dim in DIMS:
        for k in DEGREES:
            assert eigenvalue(name, dim, k) == REFERENCE[f"{name} {dim} {k}"]


def test_the_quick_oracle_value() -> None:
    assert eigenvalue("two_layer", 3, 8)[:20] == REFERENCE["two_layer 3 8"][:20]


@pytest.mark.parametrize("dim", [2, 3, 10, 100])
def test_polynomials_have_known_eigenvalues(dim: int) -> None:
    """t = lambda_1 N(d, 1) P_1; t^2 = 1/d + (1 - 1/d) P_2: lambda_1 = 1/d, lambda_0 = 1/d, lambda_2 = 2/(d(d+2))."""
    spectrum = sphere_spectrum(lambda t: t + t**2, dim, 6)
    expected = torch.tensor([1 / dim, 1 / dim, 2 / (dim * (dim + 2)), 0, 0, 0, 0], dtype=torch.float64)
    assert ((spectrum.eigenvalues - expected).abs() <= spectrum.errors).all()
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(spectrum.trace_share[:3], torch.tensor([0.5 / dim, 0.5, 0.5 - 0.5 / dim]).double())


def test_exponential_kernel_on_the_circle() -> None:
    """exp(t) = I_0(1) + 2 sum_k I_k(1) cos(k angle): modified Bessel functions, down to 1e-10 and past it."""
    from scipy.special import iv

    spectrum = sphere_spectrum(torch.exp, 2, 10)
    torch.testing.assert_close(spectrum.eigenvalues, torch.from_numpy(iv(range(11), 1.0)), rtol=1e-5, atol=1e-15)
    assert spectrum.multiplicities == (1, *[2] * 10)
    assert float(spectrum.trace_share.sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dim", [3, 5, 10])
def test_arc_cosine_kernels_in_closed_form(dim: int) -> None:
    """lambda_k = a_k^2, a_k = E relu(t)^s P_k(t), s = 0, 1, by Rodrigues' formula (Bach 2017, arXiv 1412.8690, D.2)."""

    def a(k: int, s: int) -> float:
        if k <= s:
            b = math.lgamma((s + k + 1) / 2) + math.lgamma(dim / 2) - math.lgamma((s + k + dim) / 2)
            return math.exp(b - math.log(2) - math.lgamma(0.5))
        if (k - s) % 2 == 0:
            return 0.0
        sizes = math.lgamma(dim / 2) + math.lgamma(k - s) - math.lgamma((k - s + 1) / 2)
        sizes -= math.lgamma((k + dim + s) / 2) + k * math.log(2) + 0.5 * math.log(math.pi)
        return math.exp(sizes) * math.factorial(s)

    # relu(w.x) for w on the sphere; k1 is that of Gaussian w, of mean square norm d.
    for kappa, s, scale in ((kappas.k0, 0, 1.0), (kappas.k1, 1, float(dim))):
        spectrum = sphere_spectrum(kappa, dim, 40)
        expected = torch.tensor([scale * a(k, s) ** 2 for k in range(41)], dtype=torch.float64)
        assert ((spectrum.eigenvalues - expected).abs() <= spectrum.errors + 1e-13 * expected).all()
        assert float((spectrum.eigenvalues - expected).abs().max()) < 1e-15


@pytest.mark.parametrize("dim", [3, 5, 10])
def test_the_two_layer_relu_kernel_has_no_odd_degrees_from_three(dim: int) -> None:
    spectrum = sphere_spectrum(kappas.two_layer, dim, 41)
    odd = torch.arange(3, 42, 2)
    assert (spectrum.eigenvalues[odd].abs() <= spectrum.errors[odd]).all()
    assert (spectrum.eigenvalues[odd].abs() < 1e-15).all()
    assert (spectrum.eigenvalues[[0, 1, *range(2, 41, 2)]] > 100 * spectrum.errors[[0, 1, *range(2, 41, 2)]]).all()
    higher = sphere_spectrum(kappas.multiplicative(2), dim, 41)
    assert (higher.eigenvalues[odd] > 100 * higher.errors[odd]).all()


@pytest.mark.parametrize(("dim", "slope"), [(3, -2.99), (5, -4.94)])
@pytest.mark.parametrize("name", ["two_layer", "product3", "skip3"])
def test_trap_1_degree_does_not_change_the_decay(dim: int, slope: float, name: str) -> None:
    """k^-d for every degree, measured over 64 <= k <= 256."""
    spectrum = sphere_spectrum(KAPPAS[name], dim, 256)
    for parity in (0,) if name == "two_layer" else (0, 1):
        fit = spectrum.decay((64, 256), parity)
        assert -fit.exponent == pytest.approx(slope, abs=0.03)
        assert fit.r_squared > 0.9999


def test_trap_2_the_raw_spectrum_follows_the_scale() -> None:
    measured = {degree: sphere_spectrum(kappas.skip(degree), 10, 8) for degree in (3, 6, 9)}
    assert [f"{measured[degree].trace:.3g}" for degree in (3, 6, 9)] == ["12.9", "198", "2.91e+03"]
    raw, normalised = ((getattr(measured[9], v) / getattr(measured[3], v))[5] for v in ("eigenvalues", "normalised"))
    assert float(raw) == pytest.approx(1110, rel=0.01)
    assert float(normalised) == pytest.approx(4.9, abs=0.05)


def test_degree_moves_trace_to_higher_degrees() -> None:
    low, high = (sphere_spectrum(kappas.skip(degree), 10, 12).trace_share for degree in (3, 9))
    assert float(high[3:].sum()) > 2 * float(low[3:].sum())


def test_large_dimensions_say_what_rounding_hides() -> None:
    spectrum = sphere_spectrum(kappas.skip(3), 100, 256)
    resolved = ~spectrum.trace_share.isnan()
    assert resolved[:6].all()
    assert not resolved[30:].any()
    assert float(spectrum.trace_share[resolved].sum()) < 1 + 1e-6
    assert math.isnan(spectrum.decay((64, 256)).exponent)
    # The errors are what hides them: N(d, k) times an error that is far below the smallest double's usual worth.
    assert float(spectrum.errors[64]) < 1e-35


def test_the_sum_over_all_degrees_is_the_trace() -> None:
    spectrum = sphere_spectrum(kappas.two_layer, 2, 256)
    beyond = (
        float(2 * (1 / torch.arange(258, 100_000, 2).double() ** 2).sum()) * float(spectrum.eigenvalues[256]) * 256**2
    )
    assert float(spectrum.trace_share.sum()) + beyond / spectrum.trace == pytest.approx(1, abs=1e-5)


def test_a_kink_in_the_middle_is_told_by_the_error() -> None:
    """relu(t - 0.3) is not smooth in the angle: the error falls short of rounding, but holds."""
    values, errors, _, converged = funk_hecke(lambda t: (t - 0.3).clamp_min(0), 3, 4)
    assert float((values[0] - 0.7**2 / 4).abs()) < float(errors[0])
    assert not converged


def test_eigenvalues_of_a_matrix_of_many_points() -> None:
    """K/n of n = 1000 points has lambda_k N(d, k) times, within its noise: the convention of the measure."""
    from hpnets.tasks.sphere import sphere_points

    x = sphere_points(1000, 3, torch.Generator().manual_seed(0))
    spectrum = sphere_spectrum(kappas.skip(3), 3, 2)
    l = torch.linalg.eigvalsh(kappas.skip(3)((x @ x.T).clamp(-1, 1)) / 1000).flip(0)
    assert float(l[0]) == pytest.approx(float(spectrum.eigenvalues[0]), rel=0.08)
    assert float(l[1:4].mean()) == pytest.approx(float(spectrum.eigenvalues[1]), rel=0.08)


def test_dot_product_reads_a_kernel_of_two_inputs() -> None:
    kappa = dot_product(lambda x, y: kappas.skip(3)((x @ y.T).clamp(-1, 1)), 5)
    t = torch.linspace(-1, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(kappa(t), kappas.skip(3)(t), rtol=0, atol=1e-7)
    with pytest.raises(ValueError, match="depends on more than <x, x'>"):
        dot_product(lambda x, y: x[:, :1] * y[:, :1].T, 5)


def nothing(t: Tensor) -> Tensor:
    return torch.full_like(t, math.nan)


@pytest.mark.parametrize(
    ("kappa", "dim", "k_max", "message"),
    [
        (lambda t: -t, 3, 4, r"not positive semi-definite on the sphere in R\^3: its eigenvalue of degree 1 is -0.333"),
        (kappas.k1, 1, 4, "dim is 1; allowed: an integer >= 2"),
        (kappas.k1, 3, -1, "k is -1"),
        (lambda t: t[:3], 3, 4, r"to torch.float64 \(3,\); allowed: float64 of the same shape"),
        (lambda t: t.float(), 3, 4, "to torch.float32"),
        (lambda t: 1.0, 3, 4, "to float; allowed"),
        (nothing, 3, 4, "kappa is not finite at t = "),
    ],
)
def test_what_is_no_kernel_is_refused(kappa, dim: int, k_max: int, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        sphere_spectrum(kappa, dim, k_max)


def scaled_by(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda t: factor * kappas.k1(t)


@pytest.mark.parametrize("power", [-900, 900])
def test_a_kernel_of_any_size_has_its_errors_too(power: int) -> None:
    plain, scaled = (sphere_spectrum(scaled_by(s), 3, 8) for s in (1.0, 2.0**power))
    torch.testing.assert_close(scaled.normalised, plain.normalised, rtol=0, atol=0)
    torch.testing.assert_close(scaled.errors * 2.0**-power, plain.errors, rtol=0, atol=0)


@pytest.mark.parametrize("window", [(0, 3), (3, 3), (3, 9)])
def test_a_window_outside_the_degrees_is_refused(window: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="allowed: 1 <= start < stop <= 8, degrees"):
        sphere_spectrum(kappas.k1, 3, 8).decay(window)
