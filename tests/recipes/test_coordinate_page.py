"""recipes/checks/coordinates.py: its page is what its results say, here and in docs/results/parametrisation."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets import list_models
from recipes.checks.coordinates import KINDS, PAGE, RESULTS, line, of_config, page, problem, slopes
from tests.in_process import ROOT, run_module

SHIPPED = ROOT / "docs" / "results" / "parametrisation"
HALVED = {"pnn": "v", "pnn_skip": "v"}  # layers that a factor of width^(-1/2) follows
OWN_IS_BOUNDED = {  # models whose output does not grow under "standard", as the page says
    "adam": {"siren"},
    "sgd": {"pnn", "pnn_skip", "style_generator"},
}


def run(*flags: str) -> int:
    """Exit status of `python -m recipes.checks.coordinates`, run in this process."""
    return run_module("recipes.checks.coordinates", *flags)


def test_the_recipe_writes_results_and_page_and_keeps_other_models(tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path), "--widths", "[8, 16, 32]", "--seeds", "[0, 1]", "--batch", "8", "--steps", "1"]
    assert run("--models", "[siren]", *flags) == 0
    assert run("--models", "[style_generator,ccp]", *flags) == 0
    assert run("--models", "[ccp]", *flags) == 0
    rows = json.loads((tmp_path / RESULTS).read_text())
    assert [(row["model"], row["task"], row["optimizer"], row["parametrisation"]) for row in rows] == [
        (model, task, optimizer, kind)
        for model, task in (("ccp", "digits"), ("siren", "image_fit"), ("style_generator", "digits"))
        for optimizer in ("adam", "sgd")
        for kind in KINDS
    ]
    assert all(len(changes["f"]) == 3 for row in rows for changes in row["runs"])
    assert (tmp_path / PAGE).read_text() == page(rows, str(tmp_path))
    (command,) = [text for text in page(rows, "here").splitlines() if text.startswith("python ")]
    assert (
        "--models '[ccp,siren,style_generator]' --widths '[8, 16, 32]' --batch 8 --steps 1 --seeds '[0, 1]'" in command
    )


def test_the_options_are_those_of_the_config_and_the_rest_of_the_row() -> None:
    assert of_config("pnn")[0]["scale_inputs"] is True
    assert not {"name", "width", "parametrisation", "base_width"} & set(of_config("pnn")[0])
    x, outputs, loss = problem("style_generator", of_config("style_generator")[1], 4)
    assert (x.shape, outputs) == ((4, 16), 64)
    assert loss(torch.zeros(4, 64)) > 0


def test_an_unknown_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--models", "[cpp]", "--out", str(tmp_path)) == 2
    assert "unknown model 'cpp'; did you mean" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_row_by_hand() -> None:
    """Slopes over a width four times as large: 1/2 for a change twice as large."""
    row = {"model": "ccp", "task": "digits", "widths": [8, 32], "optimizer": "adam"}
    own = [{"f": [1.0, 4.0], "U": [1.0, 1.0]}, {"f": [1.0, 8.0], "U": [1.0, 1.0]}]
    mup = [{"f": [1.0, 1.0], "U.0": [1.0, 2.0], "C": [1.0, 1.0]}, {"f": [1.0, 1.0], "U.0": [1.0, 1.0], "C": [1.0, 1.0]}]
    assert line([{**row, "runs": own}, {**row, "runs": own}, {**row, "runs": mup}]) == (
        "| ccp | digits | 8 to 32 | adam | +1.25 +- 0.35 | +1.25 +- 0.35 | +0.00 +- 0.00 | `U.0` +0.25 +- 0.35 |"
    )


def shipped() -> list[dict[str, Any]]:
    return json.loads((SHIPPED / RESULTS).read_text())


def test_the_shipped_page_is_that_of_its_results_over_the_whole_registry() -> None:
    rows = shipped()
    assert (SHIPPED / PAGE).read_text() == page(rows, "docs/results/parametrisation")
    assert [row["model"] for row in rows] == [name for name in list_models() for _ in range(2 * len(KINDS))]
    assert all(len(row["seeds"]) >= 3 and len(row["widths"]) >= 4 for row in rows)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_shipped_results_say_what_the_page_claims(optimizer: str) -> None:
    rows = [row for row in shipped() if row["optimizer"] == optimizer]
    assert {row["model"] for row in rows} == set(list_models())
    for row in rows:
        name, kind = row["model"], row["parametrisation"]
        mean = {layer: statistics.mean(values) for layer, values in slopes(row).items()}
        if kind == "standard":
            assert (mean["f"] > 0.3) == (name not in OWN_IS_BOUNDED[optimizer]), name
        if kind == "mup":
            assert (-0.2 if optimizer == "adam" else -0.6) < mean["f"] < 0.135, name
            assert max(slope - 0.5 * (layer == HALVED.get(name)) for layer, slope in mean.items()) < 0.35, name
