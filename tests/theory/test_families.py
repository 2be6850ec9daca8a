"""Finite networks of each family: their kernel tends to the limit, and their parameters are drawn as it says."""

import math

import pytest
import torch

from hpnets import list_models
from hpnets.models import create_model
from hpnets.theory import init_variances, limit_kernel
from recipes.bench.limits.cases import CASES, IMAGE, OUTPUTS, VECTOR
from recipes.bench.limits.convergence import BAND, jackknife, measure, slope, table
from tests.theory.oracle import jacobian_kernel
from tests.theory.test_limits import REFUSED

SEEDS, FAST = 6, {VECTOR: 256, IMAGE: 80}
# Of mean kernels of 6 networks of these widths; a term left out is 25% and more.
TOLERANCE = 0.25


@pytest.mark.parametrize("name", CASES)
def test_the_mean_kernel_of_a_few_wide_networks_is_near_the_limit(name: str) -> None:
    case = CASES[name]
    width = FAST[case.shape]
    x, nets = case.points(4 if case.shape == VECTOR else 2, width), [case.build(width, seed) for seed in range(SEEDS)]
    variances = init_variances(nets[0], x)
    mean = torch.stack([jacobian_kernel(net, x, variances) for net in nets]).mean(0)
    limit = limit_kernel(nets[0], x).ntk
    assert float((mean - limit).norm() / limit.norm()) < TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_drawn_with_the_variances_that_the_limit_takes(name: str) -> None:
    """Pooled over each tensor's entries: within 6 standard errors, of at most kurtosis 6 (Gamma's, times a normal)."""
    case = CASES[name]
    net = case.build(32, 0)
    variances = init_variances(net, case.points(1))
    assert set(variances) == {key for key, _ in net.named_parameters()}
    for key, p in net.named_parameters():
        if variances[key] == 0:
            assert bool((p == p.flatten()[0]).all())
        else:
            tolerance = 6 * math.sqrt(5 / p.numel())
            assert float(p.detach().square().mean()) == pytest.approx(variances[key], rel=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_error_falls_as_one_over_the_root_of_the_width(name: str) -> None:
    assert BAND[0] <= measure(name)["slope"] <= BAND[1]


def test_the_slope_and_its_error() -> None:
    widths = (16, 64, 256)
    exact = {str(m): [3 * m**-0.5] * 4 for m in widths}
    assert slope(exact) == pytest.approx(-0.5)
    assert jackknife(exact) == pytest.approx(0, abs=1e-12)
    noisy = {m: [e * (1 + 0.3 * (-1) ** i * (m == "16")) for i, e in enumerate(es)] for m, es in exact.items()}
    assert jackknife(noisy) > 0.01
    assert math.isnan(jackknife({m: e[:1] for m, e in exact.items()}))
    row = table(
        {"ccp": {"options": "degree 3", "points": "0.4", "errors": exact, "slope": -0.5, "slope_error": 0.01}}
    ).splitlines()[-1]
    assert row == "| ccp | degree 3 | 0.4 | 4 | 16 | 0.750 | 256 | 0.188 | -0.50 +- 0.01 | yes |"


def test_every_family_with_a_limit_is_measured() -> None:
    models = {case.model for case in CASES.values()}
    assert models | set(REFUSED) == set(list_models())
    assert not models & set(REFUSED)
    for case in CASES.values():
        assert create_model(case.model, input_shape=case.shape, output_dim=OUTPUTS, **case.options)
