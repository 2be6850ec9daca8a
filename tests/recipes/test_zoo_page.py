"""recipes/zoo/page.py and recipes/zoo/drift_width.py, run as their users run them; the shipped page is of the index."""

import json
import re
from pathlib import Path

import pytest

from hpnets.report import by_goal, check_markers
from recipes.zoo.page import polynext_claim, text
from tests.in_process import run_module
from tests.report.test_zoo_report import ENTRIES, points
from tests.training.runs import ROOT

README = "# Page\n<!-- pretrained -->\nold\n<!-- end pretrained -->\nend\n"
CALL = {"command": "python -m recipes.zoo.train", "jobs": 2, "runs": 9, "seconds": 90.0}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an index and a README, as the working directory."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "index.json").write_text(json.dumps(ENTRIES))
    (tmp_path / "README.md").write_text(README)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_shipped_page_is_of_the_index() -> None:
    page, folder = ROOT / "docs" / "results" / "zoo.md", ROOT / "docs" / "results" / "zoo"
    wanted = text(by_goal(ROOT / "checkpoints" / "index.json"), folder, page)
    assert page.read_text() == wanted, "run: python -m recipes.zoo.page"


def test_every_shipped_picture_has_its_points() -> None:
    for goal, entries in by_goal(ROOT / "checkpoints" / "index.json").items():
        twins = [entry for entry in entries if entry["twin"]]
        legend = 2 * bool(twins) + (len(twins) < len(entries))
        picture = ROOT / "docs" / "results" / "zoo" / f"{goal}.svg"
        assert points(picture) == 3 * (len(entries) + 2 * len(twins)) + legend, goal


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (0.2, "costs 20.0 (17.5 to 22.5), .* accuracy is **reproduced**, how much is **reproduced**"),
        (0.1, "costs 10.0 (7.5 to 12.5), .* accuracy is **reproduced**, how much is **not reproduced**"),
        (0.01, "costs 1.0 (-1.5 to 3.5), .* accuracy is **not reproduced**"),
        (-0.1, "costs -10.0 (-12.5 to -7.5), .* accuracy is **contradicted**"),
    ],
)
def test_the_verdict_on_what_polynexts_product_is_worth(mean: float, said: str) -> None:
    """With a deviation of .01 of 3 seeds, the half width is 4.303 / 3^.5 = 2.48 points."""
    twin = {"difference": {"test/accuracy": {"mean": mean, "std": 0.01}}, "seeds": [0, 1, 2]}
    pattern = re.escape(said).replace(re.escape(" .* "), " .* ")
    assert re.search(pattern, polynext_claim({"twin": twin}))


def test_page_pictures_and_readme_are_written(zoo: Path) -> None:
    assert run_module("recipes.zoo.page") == 0
    page = (zoo / "docs" / "results" / "zoo.md").read_text()
    assert page.index("`cc-digits`") < page.index("`a-digits`") < page.index("`bbb-digits`")
    for picture in ("digits-accuracy", "line-mse", "spectra"):
        assert f"](zoo/{picture}.svg)" in page
        assert (zoo / "docs" / "results" / "zoo" / f"{picture}.svg").is_file()
    assert "width" not in page.split("## Spectra")[1]
    check_markers(zoo / "README.md", "pretrained")
    assert "| `cc-digits` | accuracy 0.9 +- 0.01 |" in (zoo / "README.md").read_text()


def test_times_and_widths_are_shown_once_measured(zoo: Path) -> None:
    results = zoo / "docs" / "results" / "zoo"
    results.mkdir(parents=True)
    environment = {"cores": 2, "versions": {"torch": "2.0"}}
    training = {"seconds": 90.0, "runs": 9, "calls": [CALL], "environment": environment}
    (results / "training.json").write_text(json.dumps(training))
    points = {"64": {"mean": 0.5, "std": 0.1}, "128": {"mean": 0.25, "std": 0.1}}
    width = {"command": "python -m recipes.zoo.drift_width", "about": "About.", "drift": {"ccp": points}}
    (results / "width.json").write_text(json.dumps(width))
    assert run_module("recipes.zoo.page", "--readme", "null") == 0
    page = (zoo / "docs" / "results" / "zoo.md").read_text()
    assert "Trained in 1.5 minutes of wall time (9 runs, 2 cores, torch 2.0)" in page
    assert "python -m recipes.zoo.train  # 9 runs, 90 s" in page
    assert "| drift at width | 64 | 128 |\n| --- | --- | --- |\n| ccp | 0.5 +- 0.1 | 0.25 +- 0.1 |" in page
    assert (zoo / "README.md").read_text() == README


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--sort", "size"], "sort is 'size'; allowed: metric, name"), (["--readme", "none.md"], "lacks the markers")],
)
def test_mistakes_write_nothing(zoo: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str) -> None:
    assert run_module("recipes.zoo.page", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (zoo / "docs").exists()


def test_another_order_changes_the_page(zoo: Path) -> None:
    assert run_module("recipes.zoo.page", "--sort", "name", "--readme", "null") == 0
    page = (zoo / "docs" / "results" / "zoo.md").read_text()
    assert page.index("`a-digits`") < page.index("`bbb-digits`") < page.index("`cc-digits`")


def test_drift_is_measured_at_each_width(zoo: Path) -> None:
    flags = ("--models", "mlp,pnn", "--widths", "8,16", "--seeds", "2", "--epochs", "1", "--out", str(zoo))
    assert run_module("recipes.zoo.drift_width", *flags) == 0
    record = json.loads((zoo / "width.json").read_text())
    assert {model: list(points) for model, points in record["drift"].items()} == {
        "mlp": ["8", "16"],
        "pnn": ["8", "16"],
    }
    assert all(p["mean"] > 0 < p["std"] for points in record["drift"].values() for p in points.values())
    assert "1 epochs of SGD" in record["about"]


def test_one_seed_has_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("recipes.zoo.drift_width", "--seeds", "1") == 2
    assert "seeds is 1; allowed: >= 2" in capsys.readouterr().err


def test_accuracy_under_attack_is_a_column_once_measured(zoo: Path) -> None:
    results = zoo / "docs" / "results" / "zoo"
    results.mkdir(parents=True)
    net, twin = ({"0.05": [a, 0.9], "0.1": [0.4, 0.5], "clean": [1.0, 1.0]} for a in (0.8, 0.7))
    cells = {"a-digits": {"net": net, "twin": twin}, "cc-digits": {"net": net, "twin": None}}
    (results / "robust.json").write_text(json.dumps({"cells": cells}))
    assert run_module("recipes.zoo.page", "--readme", "null") == 0
    lines = (zoo / "docs" / "results" / "zoo.md").read_text().splitlines()
    ends = {line.split("`")[1]: line.split("|")[-2].strip() for line in lines if line.startswith("| `")}
    assert ends["a-digits"] == "0.85 / 0.45 (0.80 / 0.45)"
    assert ends["cc-digits"] == "0.85 / 0.45"
    assert ends["bbb-digits"] == "-"
