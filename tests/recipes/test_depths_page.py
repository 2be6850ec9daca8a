"""recipes/checks/depths.py: its page is what its results say, here and in docs/results/parametrisation."""

import json
from pathlib import Path

from recipes.checks.depths import BRANCHED, KINDS, PAGE, RESULTS, line, page
from tests.in_process import ROOT, run_module

SHIPPED = ROOT / "docs" / "results" / "parametrisation"


def test_the_recipe_writes_results_and_page_and_keeps_other_models(tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path), "--sizes", "[1, 2]", "--seeds", "[0]", "--batch", "4", "--steps", "1"]
    for models in ("[resmlp]", "[ccp]", "[ccp]"):
        assert run_module("recipes.checks.depths", "--models", models, *flags) == 0
    rows = json.loads((tmp_path / RESULTS).read_text())
    named = [(row["model"], row["optimizer"]) for row in rows]
    assert named == [("ccp", "adam"), ("ccp", "sgd"), ("resmlp", "adam"), ("resmlp", "sgd")]
    assert (tmp_path / PAGE).read_text() == page(rows, str(tmp_path))


def test_a_row_by_hand() -> None:
    """A change four times as large at twice the depth has the slope 2; an infinite one has diverged."""
    changes = dict(zip(KINDS, ([[1.0, 4.0]], [[1.0, float("inf")]], [[1.0, 2.0]], [[1.0, 1.0]]), strict=True))
    row = {"model": "ccp", "task": "digits", "optimizer": "adam", "sizes": [2, 4], "changes": changes}
    assert line(row) == "| ccp | digits | adam | +2.00 +- 0.00 | diverged | +1.00 +- 0.00 | +0.00 +- 0.00 |"


def test_the_shipped_page_is_that_of_its_results_and_lacks_none() -> None:
    rows = json.loads((SHIPPED / RESULTS).read_text())
    text = page(rows, "docs/results/parametrisation")
    assert (SHIPPED / PAGE).read_text() == text
    assert set(BRANCHED) <= {row["model"] for row in rows}
    assert page(rows[2:], "out").endswith(f"Not measured here: {rows[0]['model']}.\n")
