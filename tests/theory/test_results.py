"""docs/results/limits: measured on the cases as they are now, and a page that its command writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.bench.limits.cases import CASES, WIDTHS
from recipes.bench.limits.convergence import BAND, jackknife, slope
from recipes.bench.limits.page import SECTIONS, render

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "limits"
FAMILIES: dict[str, Any] = json.loads((FOLDER / "convergence.json").read_text())["measured"]


def test_each_family_is_measured_and_none_besides() -> None:
    assert list(FAMILIES) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_family_is_measured_as_its_case_is_now(name: str) -> None:
    case, one = CASES[name], FAMILIES[name]
    seeds = {width: len(errors) for width, errors in one["errors"].items()}
    assert seeds == {str(width): case.seeds for width in case.widths or WIDTHS[case.shape]}
    assert one["points"] == case.points_scale
    assert one["options"] == ", ".join(f"{key} {value}" for key, value in case.options.items())


@pytest.mark.parametrize("name", CASES)
def test_every_slope_is_in_the_band_and_follows_from_its_errors(name: str) -> None:
    one = FAMILIES[name]
    assert BAND[0] <= one["slope"] <= BAND[1]
    assert one["slope"] == pytest.approx(slope(one["errors"]))
    assert one["slope_error"] == pytest.approx(jackknife(one["errors"]))


@pytest.mark.parametrize("name", CASES)
def test_eight_seeds_do_where_they_leave_the_slope_an_error_of_a_tenth_at_most(name: str) -> None:
    eight = {width: errors[:8] for width, errors in FAMILIES[name]["errors"].items()}
    assert CASES[name].seeds >= 16 or jackknife(eight) <= 0.1


def test_the_page_is_what_its_command_writes() -> None:
    results = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in SECTIONS}
    assert (FOLDER / "README.md").read_text() == render(results)
