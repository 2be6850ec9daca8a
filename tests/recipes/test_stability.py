"""recipes/bench/stability.py: its formulas, its runs, and that the shipped pages are what its results say."""

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets.atomic_files import read_json
from hpnets.options import RunOptions
from recipes.bench import stability, stability_page
from recipes.bench.stability_cells import expected, initial, network, step_in, trained
from recipes.bench.stability_page import NETWORKS, outcome, tables, text
from recipes.bench.stability_settings import DIABETES, PROBLEMS, Change
from tests.in_process import ROOT, run_module

SHIPPED = ROOT / "docs" / "results" / "stability"
PAGE = ROOT / "docs" / "howto" / "stable-polynomial-nets.md"


def shipped() -> dict[str, Any]:
    return json.loads((SHIPPED / stability.RESULTS).read_text())


def test_the_shipped_pages_are_what_the_results_say() -> None:
    record = shipped()
    assert (SHIPPED / stability.PAGE).read_text() == text(record)
    for name, table in tables(record, narrow=True).items():
        assert f"<!-- stability {name} -->\n{table}\n<!-- end stability {name} -->" in PAGE.read_text(), name
    assert record["seeds"] >= 3
    assert set(record["measured"]) == {problem.name for problem in PROBLEMS}
    for problem in PROBLEMS:
        assert list(record["measured"][problem.name]) == [change.what for change in problem.changes]


def test_the_formulas_are_what_was_measured() -> None:
    for own, name in NETWORKS.items():
        for degree in (4, 8):
            e = expected(*own, degree)
            for key, value in (("rms", e.rms), ("kernel", e.kernel)):
                measured = [seed[key] for seed in shipped()["scale"][name][str(degree)]]
                assert sum(measured) / len(measured) == pytest.approx(value, rel=0.25), (name, degree, key)
    assert initial("sum", False, False, 4, 0, "cpu")["rms"] == pytest.approx(2, rel=0.1)


def test_factors_scale_what_they_say() -> None:
    options = RunOptions(model={"name": "ccp", "degree": 3, "width": 5})
    plain, scaled = network(options, 1, 1), network(options, 2, 0.5)
    x = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(scaled.get_parameter("U.0.weight"), plain.get_parameter("U.0.weight"))
    torch.testing.assert_close(scaled(x), 2 * plain(x))  # twice U_1 x, and U_n x as it was
    assert step_in("the loss is nan at step 21; the last good checkpoint is x") == 21
    with pytest.raises(RuntimeError, match="no step"):
        step_in("the loss is nan")


def test_a_run_that_fails_gives_its_step() -> None:
    model, optim = {"name": "ccp", "degree": 8, "width": 16}, {"name": "sgd", "lr": 10.0}
    failed = trained(model, {"name": "digits"}, optim, 1, 1.0, 1.0, "hadamard", 0, "cpu")
    assert failed["metrics"] is None
    assert 1 <= failed["step"] < 18
    good = {"step": None, "metrics": {"accuracy": 0.5}}
    assert outcome([failed, good, good], "accuracy") == ["2 of 3", str(failed["step"]), "0.5 +- 0"]
    assert outcome([failed], "accuracy") == ["0 of 1", str(failed["step"]), "-"]
    assert outcome([{"step": None, "metrics": {"accuracy": None}}], "accuracy") == ["1 of 1", "-", "inf"]
    errors = [{"step": None, "metrics": {"mse": value, "worst": 0.5}} for value in (1.0, 9.0, 2.0)]
    assert outcome(errors, "mse") == ["3 of 3", "-", "2 (1 - 9)", "0.5 (0.5 - 0.5)"]


def test_it_measures_and_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (Change("as it is"), Change("smaller", weights=0.1))
    tiny = replace(DIABETES, model={"name": "ccp", "degree": 2, "width": 4}, epochs=1, changes=changes)
    monkeypatch.setattr(stability, "PROBLEMS", (tiny,))
    monkeypatch.setattr(stability_page, "PROBLEMS", (tiny,))
    monkeypatch.setattr(stability, "DEGREES", (2,))
    page = tmp_path / "page.md"
    markers = "<!-- stability {0} -->\n<!-- end stability {0} -->\n"
    page.write_text(markers.format("scale") + markers.format("diabetes"))

    def run() -> dict[str, Any]:
        stability.stability(str(tmp_path / "out"), str(tmp_path / "runs"), 2, "diabetes", str(page))
        return read_json(tmp_path / "out" / stability.RESULTS)

    record = run()
    assert (tmp_path / "out" / stability.PAGE).read_text() == text(record)
    assert all(table in page.read_text() for table in tables(record, narrow=True).values())
    runs = [seed for ways in record["measured"]["diabetes"].values() for seeds in ways.values() for seed in seeds]
    assert len({seed["metrics"]["mse"] for seed in runs}) == len(runs) == 8
    kept = sorted((tmp_path / "runs" / "cells").iterdir())
    times = [file.stat().st_mtime_ns for file in kept]
    assert run()["measured"] == record["measured"]
    assert [file.stat().st_mtime_ns for file in kept] == times


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    for wrong, reason in (
        (("--seeds", "1"), "seeds is 1; allowed: >= 2"),
        (("--problems", "digit"), "digits"),
        (("--page", str(tmp_path / "none.md")), "lacks the markers"),
    ):
        assert run_module("recipes.bench.stability", *flags, *wrong) == 2
        assert reason in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_the_page_teaches_is_in_the_results() -> None:
    measured = shipped()["measured"]

    def ended(problem: str, what: str, product: str = "hadamard") -> int:
        return sum(seed["metrics"] is not None for seed in measured[problem][what][product])

    def score(problem: str, what: str, product: str = "hadamard") -> float:
        metric = "mse" if problem == "diabetes" else "accuracy"
        seeds = measured[problem][what][product]
        return statistics.mean(seed["metrics"][metric] for seed in seeds if seed["metrics"])

    for what in ("as it is", "inputs twice as large", "warmup and cosine"):
        assert ended("digits", what) == ended("digits", what, "sum") == 0, what
    sooner, later = (measured["digits"][what]["hadamard"] for what in ("as it is", "warmup and cosine"))
    assert all(warm["step"] > cold["step"] for cold, warm in zip(sooner, later, strict=True))
    well = ("lower degree", "inputs half as large", "smaller factors beside the skip", "batch norm of each product")
    for what in (*well, "layer norm of each product", "bounded factors"):
        assert score("digits", what) > 0.95, what
    for what in ("clipping", "tenth of the rate", "adam", "adam, ten times its rate", "ntk parametrisation"):
        assert score("digits", what) < min(score("digits", good) for good in well), what
    assert score("digits", "smaller factors, clipping, warmup and cosine") > score("digits", "clipping") + 0.02
    assert ended("digits", "no skip") < ended("digits", "no skip", "sum") == 3
    for what in ("clipping", "tenth of the rate", "adam", "adam, ten times its rate", "ntk parametrisation"):
        assert ended("digits", what) == ended("digits", what, "sum") == 3, what
    assert ended("digits", "mup from width 32") == 0
    assert score("digits", "no skip", "sum") > score("digits", "no skip") + 0.05

    for what in ("as it is", "tenth of the rate", "warmup and cosine", "clipping", "weight decay"):
        assert score("diabetes", what) > 1000, what
        assert statistics.median(seed["metrics"]["worst"] for seed in measured["diabetes"][what]["hadamard"]) > 0.4
    assert score("diabetes", "tenth of the rate") > score("diabetes", "as it is")
    for what in ("batch norm of each product", "layer norm of each product", "bounded factors"):
        assert 1 < score("diabetes", what) < 10, what
    assert score("diabetes", "still smaller ones") < 1
    assert score("diabetes", "degree 2", "sum") < score("diabetes", "degree 2") < 1

    for what in ("as it is", "residual scale 0.1"):
        assert ended("pdc", what) == 0, what
    assert all(seed["start"]["rms"] > 1e15 for seed in measured["pdc"]["as it is"]["hadamard"])
    assert score("pdc", "residual scale 0, the closed gate") > 0.85 > 0.6 > score("pdc", "clipping")
    assert score("pdc", "batch norm") > 0.85
    assert ended("pdc", "tenth of the rate") == 0
    assert score("pdc", "tenth of the rate", "sum") > 0.9
