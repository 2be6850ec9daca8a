"""Tables and pictures of the zoo from an index written by hand."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hpnets.report import (
    best_table,
    by_goal,
    draw_metric,
    draw_spectra,
    draw_width,
    metric_of,
    spread,
    summary,
    zoo_table,
)


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
        "seeds": [0, 1, 2],
        "command": f"python recipes/train.py --model {name}",
        **changes,
    }


TWIN = {
    "metrics": {"test/accuracy": {"mean": 0.5, "std": 0.1}},
    "difference": {"test/accuracy": {"mean": 0.25, "std": 0.02}},
    "seeds": [0, 1, 2],
    "tuning": {"rates": [0.1, 0.3, 1.0], "net": 0.3, "twin": 1.0, "at_edge": ["twin"]},
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
    assert head.startswith("| checkpoint | accuracy | additive twin | difference (95%) | rates, net; twin |")
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row == (
        "| `a-digits` | 0.75 +- 0.01 | 0.5 +- 0.1 | 0.25 (0.2 to 0.3) | 0.3; 1* | 1,000 | 2 (0.5) | 1.5 "
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


def test_best_rows_are_the_best_mean_and_the_smallest_that_seeds_cannot_tell_from_it(tmp_path: Path) -> None:
    near = [entry("near" + "x" * i, "accuracy", 0.895) for i in range(4)]
    (tmp_path / "index.json").write_text(json.dumps([*ENTRIES, *near]))
    rows = [[cell.strip() for cell in row.split("|")] for row in best_table(tmp_path / "index.json").splitlines()[2:]]
    told = "best mean; 4 of 6 others cannot be told from it"
    assert [(row[1], row[3]) for row in rows[:3]] == [
        ("`cc-digits`", told),
        ("`near-digits`", "no"),
        ("`nearx-digits`", "no"),
    ]
    assert rows[3][1:4] == ["`ee-line`", "mse 0.2 +- 0.01", "best mean; 0 of 1 others cannot be told from it"]
    assert rows[3][5] == "`python recipes/train.py --model ee`"


def test_a_published_twin_has_no_row_of_its_own(tmp_path: Path) -> None:
    twin = entry("a_sum", "accuracy", 0.99, model={"name": "a", "product": "sum"})
    (tmp_path / "index.json").write_text(json.dumps([*ENTRIES, twin]))
    assert names(by_goal(tmp_path / "index.json")["digits-accuracy"]) == ["cc", "a", "bbb"]


def test_the_summary_says_what_is_told_apart_and_what_is_not() -> None:
    unclear = {**TWIN, "difference": {"test/accuracy": {"mean": 0.01, "std": 0.02}}, "tuning": None}
    text = summary("digits-accuracy", [ENTRIES[2], ENTRIES[0], entry("u", "accuracy", 0.7, twin=unclear)])
    assert "Of 2 networks with a product and an additive twin, 1 of which were not tuned as much" in text
    assert "the product gains at 1 (`a` 0.25 (0.2 to 0.3)) and loses at none." in text
    assert "At the other 1 nothing can be told apart" in text
    assert "at most 20% of the FLOPs" in text
    assert text.endswith("The best mean is that of `cc`, 0.9 +- 0.01, from which the seeds cannot tell 0 of 2 others.")
    lower = {**TWIN, "metrics": {}, "difference": {"test/mse": {"mean": 0.25, "std": 0.02}}}
    loss = summary("line-mse", [entry("d", "mse", 0.3, twin=lower)])
    assert "gains at none and loses at 1 (`d` 0.25" in loss


def test_numbers_as_text() -> None:
    assert spread({"mean": 0.98222, "std": 0.00509}) == "0.9822 +- 0.0051"
    assert spread(None) == "-"
    assert metric_of({"metrics": {"test/loss": {}}}) == "test/loss"


def texts(path: Path) -> set[str]:
    """All text in a picture."""
    return {"".join(element.itertext()) for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")}


def points(path: Path) -> int:
    """The coloured markers that lie within a picture: a dot and two caps for each mean, and a dot a legend entry."""
    svg = ElementTree.parse(path).getroot()
    width, height = (float(size) for size in svg.attrib["viewBox"].split()[2:])
    marks = [e.attrib for e in svg.iter() if e.tag.endswith("}use") and "fill: #" in e.attrib["style"]]
    return sum(0 < float(m["x"]) < width and 0 < float(m["y"]) < height for m in marks)


def test_every_network_has_its_points(tmp_path: Path) -> None:
    draw_metric(ENTRIES[:3], tmp_path / "a.svg")
    assert {"a", "bbb", "cc", "additive twin", "no twin"} <= texts(tmp_path / "a.svg")
    draw_metric(ENTRIES[:3], tmp_path / "b.svg")
    assert points(tmp_path / "a.svg") == 3 * (3 + 2) + 3
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()  # the same numbers are the same file
    draw_metric(ENTRIES[3:4], tmp_path / "line.svg")
    assert "test/mse, mean and std of the seeds" in texts(tmp_path / "line.svg")
    assert not {"additive twin", "with a product"} & texts(tmp_path / "line.svg")  # of which there is no point
    assert points(tmp_path / "line.svg") == 3 + 1


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
