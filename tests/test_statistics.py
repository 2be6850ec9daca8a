"""Numbers over seeds as text and as slopes."""

import math

import pytest

from hpnets.statistics import (
    estimate,
    half_time,
    log_slope,
    mean,
    mean_slope,
    mean_std,
    middle,
    plus_minus,
    root_mean_square,
    spread,
    standard_error,
    table,
)


def test_spread_averages_what_is_finite_and_counts_the_rest() -> None:
    assert spread([1.0, 2.0, 3.0]) == "2 +- 1"
    assert spread([1.0, math.inf, 3.0]) == "2 +- 1 (1 of 3 diverged)"
    assert spread([math.nan] * 3) == "diverged"
    assert spread([1.0, 2.0], "+.2f", ".2f") == "+1.50 +- 0.71"
    assert (plus_minus(31.3, 12.0), plus_minus(2e6, 2e5)) == ("31.3 +- 10", "2e+06 +- 2e+05")
    assert spread([2.0]) == plus_minus(2.0, 0.0) == "2 +- 0"


def test_a_fit_that_diverged_is_never_the_better_one() -> None:
    assert mean([1.0, 3.0]) == 2
    assert mean([1.0, math.nan]) == math.inf


def test_a_number_that_a_run_lacks_has_no_spread() -> None:
    assert mean_std([1.0, 3.0]) == {"mean": 2.0, "std": pytest.approx(2**0.5)}
    assert mean_std([1.0, None]) is None
    assert mean_std([1.0, math.nan]) is None


def test_the_middle_is_shown_with_its_range() -> None:
    assert middle([1.0, 100.0, 3.0]) == "3 (1 - 100)"
    assert middle([1.0, 2000.0], ",.4g") == "1,000 (1 - 2,000)"


def test_the_slope_of_a_power_law() -> None:
    assert log_slope([1.0, 2.0, 4.0, 8.0], [3.0, 12.0, 48.0, 192.0]) == pytest.approx(2)
    assert mean_slope({m: [m**-0.5, 3 * m**-0.5] for m in (10, 100, 1000)}) == pytest.approx(-0.5)


def test_half_times() -> None:
    times = [10 ** (i / 10) for i in range(31)]
    assert half_time(times, [math.exp(-t / 50) for t in times]) == pytest.approx(50 * math.log(2), rel=0.02)
    assert half_time(times, [1.0] * 31) == math.inf
    assert half_time(times, [0.1] * 31) == times[0]


def test_errors_and_sizes() -> None:
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx((5 / 3) ** 0.5 / 2)
    assert root_mean_square([3.0, 4.0]) == pytest.approx(12.5**0.5)
    assert estimate([1.0, 2.0, 3.0, 4.0]) == "2.50 +- 0.65 (standard error)"


def test_a_table_keeps_its_columns() -> None:
    assert table(("a", "b"), [("|x|", "1")]).splitlines() == ["| a | b |", "| --- | --- |", "| \\|x\\| | 1 |"]
