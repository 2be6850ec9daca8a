"""Cells that are named by their options, kept, shared and resumed; results that are selected by their options."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpnets.study import Cell, Results, Study, grid
from tests.training.runs import ROOT


class Counted:
    """compute(n, device) -> {"square": n^2}, which counts its calls."""

    __name__ = "square"

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls, self.stop_at = 0, stop_at

    def __call__(self, n: int, device: str) -> dict[str, int]:
        if n == self.stop_at:
            raise KeyboardInterrupt
        self.calls += 1
        return {"square": n * n}


def squares(compute: Counted, count: int = 4) -> list[Cell]:
    return grid(compute, n=tuple(range(count)))


def spread_of(width: int, seed: int, steps: list[int], device: str) -> dict[str, Any]:
    return {"f": [width + seed + step for step in steps], "inner": {"g": float(width * seed)}}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Study(tmp_path, "cpu").run(grid(spread_of, width=(8, 16), seed=(0, 1), steps=[1, 2]))


def test_a_tuple_is_an_axis_and_a_list_is_one_value() -> None:
    cells = grid(spread_of, width=(8, 16), seed=(0, 1, 2), steps=[1, 2])
    assert [(c.options["width"], c.options["seed"]) for c in cells] == [(w, s) for w in (8, 16) for s in (0, 1, 2)]
    assert all(c.options["steps"] == [1, 2] for c in cells)


def test_a_name_follows_from_the_function_and_all_options() -> None:
    names = [c.name for c in grid(spread_of, width=(8, 16), seed=(0, 1), steps=[1, 2])]
    names += [c.name for c in grid(spread_of, width=8, seed=0, steps=[1, 3])]
    assert len(set(names)) == 5
    assert names[0].startswith("spread_of-8-0-")
    assert Cell(spread_of, {"seed": 0, "steps": [1, 2], "width": 8}).name.split("-")[-1] == names[0].split("-")[-1]
    assert "/" not in Cell(spread_of, {"path": "a/b"}).name


def test_a_stopped_study_goes_on_where_it_was(tmp_path: Path) -> None:
    stopped, resumed = Counted(stop_at=2), Counted()
    with pytest.raises(KeyboardInterrupt):
        Study(tmp_path, "cpu").run(squares(stopped))
    results = Study(tmp_path, "cpu").run(squares(resumed))
    assert (stopped.calls, resumed.calls) == (2, 2)
    assert results.values("square") == [0, 1, 4, 9]
    more = Counted()
    assert len(Study(tmp_path, "cpu").run(squares(more, 6))) == 6
    assert more.calls == 2


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="which cannot be written"):
        Study(tmp_path / "file", "cpu").run(squares(Counted()))


def test_ranks_share_the_cells(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.study.test_cells import Counted, squares\n"
        "from hpnets.study import Study\nfrom hpnets.study.cells import is_first_rank\n"
        "c = Counted(); r = Study(Path(sys.argv[1]), 'cpu').run(squares(c)); print(c.calls, len(r), is_first_rank())"
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


def test_each_cell_says_which_commit_it_was_computed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for commit, count in (("first", 2), ("second", 5)):
        monkeypatch.setattr("hpnets.study.cells.commit", lambda commit=commit: commit)
        Study(tmp_path, "cpu").run(squares(Counted(), count))
    study = Study(tmp_path, "cpu")
    assert study.origin(squares(Counted(), 5))["commits"] == {"first": 2, "second": 3}
    # A study's origin is that of its own cells, not of all in the folder.
    assert study.origin(squares(Counted(), 2))["commits"] == {"first": 2}


def test_results_are_selected_by_function_and_options(results: Results) -> None:
    assert results.of(spread_of, width=16).values("inner", "g") == [0.0, 16.0]
    assert results.of("spread_of", steps=(1, 2), width=8, seed=1).one("f", -1) == 11
    assert results.of(spread_of).by("width", "f", 0) == {8: [9, 10], 16: [17, 18]}
    assert [len(part) for part in results.split("seed").values()] == [2, 2]


def test_a_selection_of_nothing_or_of_too_many_is_refused(results: Results) -> None:
    with pytest.raises(ValueError, match=r"no result is of spread_of with \{'width': 3\}; there are 4 of it"):
        results.of(spread_of, width=3)
    with pytest.raises(ValueError, match="there are 4 of other functions"):
        results.of(squares)
    with pytest.raises(ValueError, match="one result was asked for; there are 2"):
        results.of(spread_of, width=8).one("f")
