"""Tables and pictures of the zoo from an index written by hand."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hpnets.report import best_table, by_goal, draw_metric, draw_spectra, draw_width, metric_of, spread, zoo_table


def entry(name: str, metric: str, mean: float, task: str = "digits", **changes: Any) -> dict[str, Any]:
    """An entry with the fields that tables read."""
    value = {"mean": mean, "std": 0.01}
    kernel = {"zero_gradient": 0.0, "drift": value, "cosine_drift": value, "effective_rank": {"mean": 7, "std": 1}}
    return {
        "name": f"{name}-{task}",
        "model": {"name": name},
        "task": {"name": task},
        "metrics": {"test/loss": value, f"test/{metric}": value},
        "parameters": 1000 * len(name),
        "flops": 2500,
        "products": 500,
        "seconds": {"mean": 1.5, "std": 0.1, "threads": 1},
        "kernel": {**kernel, "decay_exponent": None, "decay_r_squared": None},
        "twin": None,
        "command": f"python recipes/train.py --model {name}",
        **changes,
    }


TWIN = {
    "metrics": {"test/accuracy": {"mean": 0.5, "std": 0.1}},
    "difference": {"test/accuracy": {"mean": 0.25, "std": 0.02}},
}
ENTRIES = [
    entry("a", "accuracy", 0.75, twin=TWIN),
    entry("bbb", "accuracy", 0.5),
    entry("cc", "accuracy", 0.9),
    entry("d", "mse", 0.3, task="line"),
    entry("ee", "mse", 0.2, task="line"),
]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "index.json").write_text(json.dumps(ENTRIES))
    return tmp_path / "index.json"


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [e["model"]["name"] for e in entries]


def test_the_best_metric_comes_first_whichever_way_is_better(index: Path) -> None:
    assert {goal: names(entries) for goal, entries in by_goal(index).items()} == {
        "digits-accuracy": ["cc", "a", "bbb"],
        "line-mse": ["ee", "d"],
    }


def test_other_columns_sort_ascending(index: Path) -> None:
    assert names(by_goal(index, "parameters")["digits-accuracy"]) == ["a", "cc", "bbb"]
    assert names(by_goal(index, "name")["digits-accuracy"]) == ["a", "bbb", "cc"]
    assert len(by_goal(index, "decay_exponent")["digits-accuracy"]) == 3  # None sorts, too
    with pytest.raises(ValueError, match="sort is 'size'; allowed: metric, name, parameters"):
        by_goal(index, "size")


def test_a_row_has_the_twin_and_the_paired_difference() -> None:
    head, rule, row = zoo_table(ENTRIES[:1]).splitlines()
    assert head.startswith("| checkpoint | accuracy | additive twin | difference |")
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == (
        "| `a-digits` | 0.75 +- 0.01 | 0.5 +- 0.1 | 0.25 +- 0.02 | 1,000 | 2 (0.5) | 1.5 "
        "| 0.75 +- 0.01 | 0.75 +- 0.01 | 7 +- 1 | - |"
    )


def test_a_degenerate_start_is_said() -> None:
    kernel = {**ENTRIES[0]["kernel"], "zero_gradient": 0.7, "decay_exponent": {"mean": 2.0, "std": 0.5}}
    kernel["decay_r_squared"] = {"mean": 0.987, "std": 0.0}
    row = zoo_table([{**ENTRIES[0], "kernel": kernel}]).splitlines()[-1]
    assert row.count("(degenerate start)") == 2
    assert row.endswith("| 2 +- 0.5 (0.99) |")


def test_a_network_that_was_not_tracked_has_dashes() -> None:
    assert zoo_table([{**ENTRIES[1], "kernel": {}}]).endswith("| 1.5 | - | - | - | - |")


def test_best_rows_of_each_task(index: Path) -> None:
    rows = best_table(index, count=2).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["`cc-digits`", "`a-digits`", "`ee-line`", "`d-line`"]
    assert "| mse 0.2 +- 0.01 | 2,000 | `python recipes/train.py --model ee` |" in rows[2]


def test_numbers_as_text() -> None:
    assert spread({"mean": 0.98222, "std": 0.00509}) == "0.9822 +- 0.0051"
    assert spread(None) == "-"
    assert metric_of({"metrics": {"test/loss": {}}}) == "test/loss"


def texts(path: Path) -> set[str]:
    """All text in a picture."""
    return {"".join(element.itertext()) for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")}


def test_the_metric_against_parameters_names_every_network(tmp_path: Path) -> None:
    draw_metric(ENTRIES[:3], tmp_path / "a.svg")
    assert {"a", "bbb", "cc", "parameters", "additive twin"} <= texts(tmp_path / "a.svg")
    draw_metric(ENTRIES[:3], tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()  # the same numbers are the same file
    draw_metric(ENTRIES[3:], tmp_path / "line.svg")
    assert "test/mse, mean and std of 3 seeds" in texts(tmp_path / "line.svg")


def test_spectra_have_a_panel_a_network(tmp_path: Path) -> None:
    spectra = {f"net{i}": {"ours": [[4.0, 2.0, 1.0]] * 3, "twin": [[4.0, 0.1, -1e-9]] * (i % 2)} for i in range(4)}
    draw_spectra(spectra, tmp_path / "spectra.svg", columns=3)
    assert {"net0", "net1", "net2", "net3"} <= texts(tmp_path / "spectra.svg")


def test_drift_against_width_has_a_line_a_model(tmp_path: Path) -> None:
    points = {width: {"mean": 1 / int(width), "std": 0.001} for width in ("64", "128")}
    (tmp_path / "width.json").write_text(json.dumps({"drift": {"ccp": points, "mlp": points}}))
    draw_width(tmp_path / "width.json", tmp_path / "width.svg")
    assert {"ccp", "mlp", "width"} <= texts(tmp_path / "width.svg")


def test_the_last_column_is_that_of_accuracy_under_attack() -> None:
    """It stands only where some entry has a value, and a dash where one lacks it."""
    plain = zoo_table(ENTRIES[:3])
    lines = zoo_table(ENTRIES[:3], {"": "robust", "a-digits": "0.8 (0.7)"}).splitlines()
    assert [line.rsplit("| ", 1)[1] for line in lines] == ["robust |", "--- |", "0.8 (0.7) |", "- |", "- |"]
    assert {line.count("|") for line in lines} == {plain.splitlines()[0].count("|") + 1}
    assert zoo_table(ENTRIES[:3], {"": "robust", "other": "0.1"}) == zoo_table(ENTRIES[:3], {}) == plain


def test_one_entry_is_seen_on_its_log_axis_and_the_legend_has_no_other_kind(tmp_path: Path) -> None:
    """Its marker and caps, beside the marker of the legend; matplotlib leaves out what lies outside of the axes."""
    entry = next(entry for entry in ENTRIES if entry["twin"])
    draw_metric([entry], tmp_path / "pair.svg")
    draw_metric([{**entry, "twin": None}], tmp_path / "alone.svg")
    pair, alone = ((tmp_path / f"{name}.svg").read_text() for name in ("pair", "alone"))
    assert ("no twin" in pair, "no twin" in alone) == (False, True)
    assert ("additive twin" in pair, "additive twin" in alone) == (True, False)
    assert len(re.findall("<use[^>]*fill: #7f7f7f", alone)) == 4
