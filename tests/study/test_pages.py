"""Charts and pages; results.json, from which a page is rendered again."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hpnets.study import Above, Cell, Claim, Figure, Paper, Picture, Result, Results, grid, run_study, spread_table
from hpnets.study.charts import categories, chart, seeds_and_mean, shades
from hpnets.study.pages import commits, render
from hpnets.study.run import command
from tests.training.runs import ROOT


@dataclass(frozen=True)
class Sizes:
    seeds: int = 3
    width: int = 8


def double(seed: int, width: int, device: str) -> dict[str, Any]:
    return {"f": [2.0 * seed, 2.0 * width], "third": 1 / 3}


def draw(axes: list[Any]) -> None:
    axes[0].plot([0, 1], [1, 2], label="a line with a long name", **categories(["a"])["a"])
    axes[0].set(xlabel="t, seconds", ylabel="f")


def cells(sizes: Sizes) -> list[Cell]:
    return grid(double, seed=tuple(range(sizes.seeds)), width=sizes.width)


def claims(sizes: Sizes) -> list[Claim]:
    return [
        Claim("f | g grows", lambda r: {"f": r.values("f", 1)}, Above("f", 1), "theorem 1", "f ~ 2 n", sizes.seeds),
        Claim("f is zero", lambda r: {"f": 1.0}, Above("f", 2), "theorem 2", "f = 0"),
    ]


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    table = spread_table(results.of(double), ("width",), {"f": ("f", 0)})
    return [Figure("A table", "Of |f|.", *table, Picture("a.svg", "A picture", draw))]


def abstract(results: object, sizes: object) -> list[str]:
    return ["One.", "Two.", "Three.", "Four."]


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    module = ModuleType("parts")
    parts = {"cells": cells, "claims": claims, "figures": figures, "abstract": abstract}
    for name, part in parts.items():
        setattr(module, name, part)
    monkeypatch.setattr(Paper, "_module", lambda self, name: module)
    return Paper("somewhere.mine", "Title", "Someone 2020", "Width {width}.", Sizes(), Sizes(), Sizes())


def test_a_study_writes_what_its_page_is_rendered_from(
    paper: Paper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page, again = (tmp_path / name for name in ("out", "page", "again"))
    run_study(paper, Sizes(), out, page=page)
    results = json.loads((page / "results.json").read_text())
    text = (page / "README.md").read_text()
    assert text == render(results) == (out / "verdict.md").read_text()
    assert {path.name for path in page.iterdir()} == {"README.md", "results.json", "a.svg"}
    assert results["cells"][1] == {
        "function": "double",
        "options": {"seed": 1, "width": 8},
        "result": {"f": [2.0, 16.0], "third": 0.333333},
    }
    assert text.startswith("# Title\n\nOne. Two. Three. Four. Of 2 statements 1 was reproduced, 1 not reproduced.\n\n")
    assert "| 1 | f \\| g grows | **reproduced** |" in text
    assert (
        "- In the paper: theorem 1: `f ~ 2 n`\n- Counts as seen if: f above 1\n- Measured (over 3 seeds): f: 16 +- 0"
        in text
    )
    assert text.index("## Claims") < text.index("## Setting\n\nWidth 8.") < text.index("## A table")
    assert json.loads((out / "env.json").read_text())["versions"]["torch"]
    assert "| 2 | f is zero | **not reproduced** |" in capsys.readouterr().out
    run_study(paper, Sizes(), page, page=again, render=True)
    assert json.loads((again / "results.json").read_text()) == results
    assert (again / "a.svg").read_bytes() == (page / "a.svg").read_bytes()


def test_only_a_finished_study_is_rendered(paper: Paper, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"allowed with render: a folder with results\.json"):
        run_study(paper, Sizes(), tmp_path, render=True)
    run_study(paper, Sizes(), tmp_path)
    with pytest.raises(ValueError, match=r"results\.json lacks double-3-8-\w+: give the options of its run"):
        run_study(paper, Sizes(seeds=4), tmp_path, render=True)
    with pytest.raises(ValueError, match="seeds is 2; allowed: >= 3"):
        run_study(paper, Sizes(seeds=2), tmp_path)


@pytest.mark.parametrize("folder", sorted((ROOT / "docs" / "results" / "papers").glob("*")), ids=lambda path: path.name)
def test_committed_pages_are_those_of_their_results(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "README.md").read_text() == render(results)
    assert "--quick" not in results["command"]  # small sizes show that a study runs
    assert all(claim["seeds"] == 0 or claim["seeds"] >= 3 for claim in results["claims"])
    assert len(results["abstract"]) == 5
    assert all((folder / picture).is_file() for picture in re.findall(r"!\[.*\]\((.*)\)", render(results)))


def test_the_page_tells_cells_of_different_commits_apart() -> None:
    assert commits({"0123456789": 3}) == "commit 0123456"
    assert commits({"0123456789+changes": 3, "abcdefgh": 1}) == "commits 0123456+changes (3 cells), abcdefg (1 cells)"


def test_axes_without_labels_are_refused(tmp_path: Path) -> None:
    def bare(axes: list[Any]) -> None:
        axes[0].plot([0, 1])
        axes[0].set(title="bare", xlabel="x")

    with pytest.raises(ValueError, match=r"axes 'bare' of a\.svg lack a label"):
        Figure("A", "", picture=Picture("a.svg", "t", bare)).draw(tmp_path)
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.parametrize("styles", [categories(range(8)), shades(range(6))])
def test_lines_are_told_apart_without_colour(styles: dict[int, dict[str, Any]]) -> None:
    assert len({(str(s["linestyle"]), s["marker"]) for s in styles.values()}) == len(styles)
    assert len({str(s["color"]) for s in styles.values()}) == len(styles)


def test_points_keep_the_ticks_of_an_earlier_call(tmp_path: Path) -> None:
    with chart(tmp_path / "a.svg", 1, "t") as (axes,):
        for values in ({100: [1.0], 200: [0.5]}, {100: [1.0], 500: [0.2]}):
            seeds_and_mean(axes, values, "f", categories(["f"])["f"])
        axes.set(xlabel="n", ylabel="f")
        assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200", "500"]


def test_a_table_gathers_seeds_of_one_cell_and_of_several() -> None:
    several = Results(tuple(Result("f", {"n": 1, "seed": s}, {"e": float(s)}) for s in (1, 3)))
    one = Results((Result("f", {"n": 1, "seeds": [1, 3]}, {"e": [1.0, 3.0]}),))
    assert spread_table(several, ("n",), {"e": ("e",)}) == spread_table(one, ("n",), {"e": ("e",)})
    assert spread_table(one, ("n",), {"e": ("e",)}) == (("n", "e"), (("1", "2 +- 1"),))


@pytest.mark.parametrize(
    ("first", "shown"),
    [
        ("recipes/study.py", "python recipes/study.py extrapolation"),
        ("/usr/bin/hpnets", "hpnets extrapolation"),
        ("/usr/lib/hpnets/__main__.py", "python -m hpnets extrapolation"),
    ],
)
def test_the_command_is_recorded_as_a_user_types_it(first: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [first, "extrapolation"])
    assert command() == shown


def test_twenty_names_have_twenty_looks_of_points_alone() -> None:
    styles = categories([str(i) for i in range(20)]).values()
    assert len({(style["color"], style["marker"]) for style in styles}) == 20
