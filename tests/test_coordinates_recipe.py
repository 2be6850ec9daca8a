"""recipes/coordinates.py: its page is what its results say, here and in docs/results/parametrisation."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from recipes.coordinates import PAGE, RESULTS, line, page

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "docs" / "results" / "parametrisation"


def run(*flags: str) -> int:
    """Exit status of `python recipes/coordinates.py`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["recipes/coordinates.py", *flags])
        try:
            runpy.run_path(str(ROOT / "recipes" / "coordinates.py"), run_name="__main__")
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def test_the_recipe_writes_results_and_page_and_keeps_other_models(tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path), "--widths", "[8, 16, 32]", "--seeds", "[0, 1]", "--batch", "8", "--steps", "1"]
    assert run("--models", "[ccp]", *flags) == 0
    assert run("--models", "[mlp]", *flags) == 0
    assert run("--models", "[ccp]", *flags) == 0
    rows = json.loads((tmp_path / RESULTS).read_text())
    assert [(row["model"], row["optimizer"], row["parametrisation"]) for row in rows] == [
        (model, optimizer, kind)
        for model in ("mlp", "ccp")
        for optimizer in ("adam", "sgd")
        for kind in ("standard", "ntk", "mup")
    ]
    assert all(len(run["changes"]["f"]) == 3 for row in rows for run in row["runs"])
    assert (tmp_path / PAGE).read_text() == page(rows, str(tmp_path))


def test_an_unknown_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--models", "[cpp]", "--out", str(tmp_path)) == 2
    assert "unknown model 'cpp': did you mean" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_row_by_hand() -> None:
    row = {"model": "ccp", "widths": [8, 32], "optimizer": "adam", "parametrisation": "mup"}
    runs = [{"slopes": {"U.0": 0.1, "C": 0.3, "f": 0.5}}, {"slopes": {"U.0": 0.2, "C": -0.3, "f": 0.7}}]
    assert line({**row, "runs": runs}) == "| ccp | 8 to 32 | adam | mup | +0.60 +- 0.14 | `U.0` +0.15 +- 0.07 |"


def test_the_shipped_page_is_that_of_its_results_and_says_what_the_docs_claim() -> None:
    rows = json.loads((SHIPPED / RESULTS).read_text())
    assert (SHIPPED / PAGE).read_text() == page(rows, "docs/results/parametrisation")
    for row in rows:
        f = sum(run["slopes"]["f"] for run in row["runs"]) / len(row["runs"])
        assert len(row["seeds"]) >= 3
        assert {"standard": f > 0.3, "mup": abs(f) < 0.3, "ntk": True}[row["parametrisation"]], row["model"]
