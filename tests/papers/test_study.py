"""Cells that are kept, shared and resumed; claims, tables and pages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.papers.parts.pages import Claim, Section, at, mean_slope, render, spread, table, verdict, write_results
from recipes.papers.parts.study import Cell, Study, device_of, seeds_of, study_of
from tests.training.runs import ROOT


class Counted:
    """compute(n, device) -> {"square": n^2}, which counts its calls."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls, self.stop_at = 0, stop_at

    def __call__(self, n: int, device: str) -> dict[str, int]:
        if n == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return {"square": n * n}


def squares(compute: Counted, count: int = 4) -> list[Cell]:
    return [Cell(f"square-{n}", compute, {"n": n}) for n in range(count)]


def test_a_stopped_study_goes_on_where_it_was(tmp_path: Path) -> None:
    stopped, resumed = Counted(stop_at=2), Counted()
    with pytest.raises(KeyboardInterrupt):
        Study(tmp_path, "cpu").run(squares(stopped))
    found = Study(tmp_path, "cpu").run(squares(resumed))
    assert (stopped.calls, resumed.calls) == (2, 2)
    assert [found[f"square-{n}"]["square"] for n in range(4)] == [0, 1, 4, 9]
    assert Study(tmp_path, "cpu").seconds() >= 0


def test_more_cells_can_be_added(tmp_path: Path) -> None:
    Study(tmp_path, "cpu").run(squares(Counted(), 2))
    more = Counted()
    assert len(Study(tmp_path, "cpu").run(squares(more, 5))) == 5
    assert more.calls == 3


def test_a_cell_of_other_options_is_refused_before_any_work(tmp_path: Path) -> None:
    Study(tmp_path, "cpu").run([Cell("last", Counted(), {"n": 1})])
    fresh = Counted()
    with pytest.raises(ValueError, match=r"last\.json was made with other options"):
        Study(tmp_path, "cpu").run([*squares(fresh), Cell("last", fresh, {"n": 2})])
    assert fresh.calls == 0


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="which cannot be written"):
        Study(tmp_path / "file", "cpu").run(squares(Counted()))


def test_ranks_share_the_cells(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.papers.test_study import Counted, squares\n"
        "from recipes.papers.parts.study import Study\n"
        "c = Counted(); s = Study(Path(sys.argv[1]), 'cpu'); f = s.run(squares(c)); print(c.calls, len(f), s.is_first)"
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            env={**os.environ, "RANK": str(r), "WORLD_SIZE": "2", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for r in range(2)
    ]
    lines = [rank.communicate(timeout=120)[0].splitlines()[-1] for rank in ranks]
    assert lines == ["2 4 True", "2 4 False"]


@pytest.mark.parametrize("count", [-1, 0, 2])
def test_a_spread_needs_three_seeds(count: int) -> None:
    with pytest.raises(ValueError, match=f"seeds is {count}; allowed: at least 3"):
        seeds_of(count)
    assert seeds_of(3) == [0, 1, 2]


def test_only_a_finished_study_is_rendered(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"allowed with render: a folder with results\.json"):
        study_of(str(tmp_path), "cpu", render=True).run([])
    (tmp_path / "results.json").write_text('{"found": {"square-0": {"square": 0}}}')
    finished, unused = study_of(str(tmp_path), "cpu", render=True), Counted()
    assert finished.run(squares(unused, 1)) == {"square-0": {"square": 0}}
    with pytest.raises(ValueError, match=r"results\.json lacks square-1"):
        finished.run(squares(unused, 2))
    assert unused.calls == 0


def test_an_unknown_device_is_refused() -> None:
    assert device_of("cpu") == "cpu"
    with pytest.raises(ValueError, match="device is 'tpu'; allowed here: auto, cpu"):
        device_of("tpu")


def test_spread_averages_what_is_finite_and_counts_the_rest() -> None:
    assert spread([1.0, 2.0, 3.0]) == "2 +- 1"
    assert spread([1.0, float("inf"), 3.0]) == "2 +- 1 (1 of 3 diverged)"
    assert spread([float("nan")] * 3) == "diverged"


def test_slope_of_a_power_law() -> None:
    assert mean_slope({m: [m**-0.5, m**-0.5] for m in (10, 100, 1000)}) == pytest.approx(-0.5)


def test_a_table_keeps_its_columns() -> None:
    assert table(("a", "b"), [("|x|", "1")]).splitlines()[-1] == "| \\|x\\| | 1 |"


@pytest.mark.parametrize(
    ("holds", "contrary", "word"),
    [(True, False, "reproduced"), (False, True, "contradicted"), (False, False, "not reproduced")],
)
def test_verdicts(holds: bool, contrary: bool, word: str) -> None:
    assert verdict(holds, contrary) == word


def test_the_page_is_rendered_from_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = tmp_path / "out", tmp_path / "page"
    claims = [Claim("x grows", "x > 1", "2 +- 1", 3, "reproduced"), Claim("y", "exact", "0", 0, "contradicted")]
    sections = [Section("Errors", "By |x|.", ("x",), (("1",),), "a.svg")]
    out.mkdir()
    (out / "a.svg").write_text("<svg/>")
    write_results(out, page, "Title", "About.", claims, sections, {"cell": {"f": [0.5]}}, 2.0, Study(out, "cpu").origin)
    results = json.loads((page / "results.json").read_text())
    assert results["found"] == {"cell": {"f": [0.5]}}
    assert (page / "README.md").read_text() == render(results) == (out / "verdict.md").read_text()
    assert {path.name for path in page.iterdir()} == {"README.md", "results.json", "a.svg"}
    assert json.loads((out / "env.json").read_text())["versions"]["torch"]
    assert "| 1 | x grows | x > 1 | 2 +- 1 | 3 | **reproduced** |" in capsys.readouterr().out


@pytest.mark.parametrize("folder", sorted((ROOT / "docs" / "results" / "papers").glob("*")), ids=lambda path: path.name)
def test_committed_pages_are_those_of_their_results(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "README.md").read_text() == render(results)
    assert "--quick" not in results["command"]
    assert all(claim["seeds"] == 0 or claim["seeds"] >= 3 for claim in results["claims"])


def test_the_page_tells_cells_of_different_commits_apart() -> None:
    assert at({"0123456789": 3}) == "commit 0123456"
    assert at({"0123456789+changes": 3, "abcdefgh": 1}) == "commits 0123456+changes (3 cells), abcdefg (1 cells)"


def test_each_cell_says_which_commit_it_was_computed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for commit, count in (("first", 2), ("second", 5)):
        monkeypatch.setattr("recipes.papers.parts.study.here", lambda commit=commit: {"commit": commit})
        Study(tmp_path, "cpu").run(squares(Counted(), count))
    assert Study(tmp_path, "cpu").origin["commits"] == {"first": 2, "second": 3}
