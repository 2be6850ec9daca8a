"""Criteria: what they say, and what they decide; claims that are judged by them."""

import math
from typing import Any

import pytest

from hpnets.study import Above, Always, Below, Between, Claim, Criterion, Falls, Less, Paired, Results

STEEP = Between("slope", -0.65, -0.35).contradicted_if(Above("slope", -0.1))


@pytest.mark.parametrize(
    ("criterion", "measured", "verdict"),
    [
        (STEEP, {"slope": -0.65}, "reproduced"),
        (STEEP, {"slope": -0.2}, "not reproduced"),
        (STEEP, {"slope": 0.0}, "contradicted"),
        (Below("e", 1), {"e": [0.5, 1.4]}, "reproduced"),
        (Below("e", 1, each=True), {"e": [0.5, 1.4]}, "not reproduced"),
        (Below("e", 1, each=True).contradicted_if_reversed(), {"e": {"a": [1.1], "b": [1.4]}}, "contradicted"),
        (Below("e", 1), {"e": [0.5, math.inf]}, "not reproduced"),
        (Above("e", 1), {"e": math.nan}, "not reproduced"),
        (Above("e", 1) & Below("f", 1), {"e": 2, "f": 2}, "not reproduced"),
        (Above("e", 1) & Below("f", 1), {"e": 2, "f": 0}, "reproduced"),
        (Less("a", "b", 3), {"a": 1, "b": 2.9}, "not reproduced"),
        (Less("a", "b", 3).contradicted_if_reversed(), {"a": [2, 4], "b": 2.9}, "contradicted"),
        (Falls("f", "n"), {"f": {1: [3, 1], 2: [1.9]}}, "reproduced"),
        (Falls("f", "n"), {"f": {1: [3, 1], 2: [2.1]}}, "not reproduced"),
        (Falls("f", "n").contradicted_if_reversed(), {"f": [1, 2, 3]}, "contradicted"),
        (Always("so").contradicted_if_reversed(), {"so": [True, True]}, "reproduced"),
        (Always("so").contradicted_if_reversed(), {"so": [True, False]}, "not reproduced"),
        (Always("so").contradicted_if_reversed(), {"so": [False, False]}, "contradicted"),
        (Paired("d"), {"d": [0.0, 0.01, 0.02]}, "not reproduced"),
        (Paired("d"), {"d": [0.01, 0.011, 0.012]}, "reproduced"),
        (Paired("d").contradicted_if_reversed(), {"d": [-0.01, -0.011, -0.012]}, "contradicted"),
    ],
    ids=str,
)
def test_a_criterion_decides(criterion: Criterion, measured: dict[str, Any], verdict: str) -> None:
    assert criterion.decide(measured) == verdict


def test_a_criterion_says_what_it_decides() -> None:
    assert str(STEEP) == "slope in [-0.65, -0.35]; contradicted if slope above -0.1"
    both = Below("e", 1 / 3, each=True).contradicted_if_reversed() & Falls("f", "n")
    assert str(both) == "e below 0.333, each one; contradicted if e above 0.333, each one, and f falling with n"
    assert str(Less("a", "b", 3)) == "a below 1/3 of b"
    assert str(Always("so").contradicted_if_reversed()) == "so, each time; contradicted if so, not once"
    assert str(Paired("d").reverse()) == "d below 0 by over 2 standard errors of the paired difference"


@pytest.mark.parametrize("criterion", [Above("slope", 1), Always("slope"), Falls("slope", "n")], ids=str)
def test_what_was_not_measured_is_not_judged(criterion: Criterion) -> None:
    with pytest.raises(ValueError, match="slope"):
        criterion.decide({"slope": []})
    with pytest.raises(ValueError, match="slope"):
        criterion.decide({"error": 1.0})


def test_a_claim_shows_all_that_its_statistic_measured() -> None:
    measured = {
        "slope": -0.5,
        "by width": {"n = 8": [1.0, 3.0]},
        "ordered": [True, False],
        "k": [1, 2],
        "note": "exact",
    }
    claim = Claim("K tends to K*", lambda results: measured, STEEP, "theorem 1", "K_n -> K*", 3)
    judged = claim.judge(Results(()))
    assert judged.measured == "slope: -0.5; by width: 2 +- 1 (n = 8); ordered: 1 of 2; k: 1, 2; note: exact"
    assert (judged.accepted, judged.verdict, judged.seeds) == (str(STEEP), "reproduced", 3)
