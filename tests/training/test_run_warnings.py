"""warnings.txt: each warning of a run once, with its count."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from hpnets.training import LitModel, RunFolder, train
from hpnets.training.run_warnings import counted_warnings
from tests.training.runs import PowerCut, small_options


def warn(*texts: str) -> None:
    for text in texts:
        warnings.warn(text, stacklevel=1)


def test_a_warning_is_shown_once_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "warnings.txt"
    with warnings.catch_warnings(record=True) as shown, counted_warnings() as said:
        warn("before\nthe folder", "twice")
        assert not file.exists()
        said.keep_in(file)
        assert file.read_text() == "1 x UserWarning: before the folder\n1 x UserWarning: twice\n"
        warn("twice", "new")
    assert [str(warning.message) for warning in shown] == ["before\nthe folder", "twice", "new"]
    text = "1 x UserWarning: before the folder\n2 x UserWarning: twice\n1 x UserWarning: new\n"
    assert file.read_text() == text


def test_a_filter_stops_a_warning_and_what_was_before_is_put_back(tmp_path: Path) -> None:
    show, filters = warnings.showwarning, [*warnings.filters]
    with counted_warnings() as said:
        warnings.filterwarnings("ignore", message="unneeded")
        warn("unneeded")
        said.keep_in(tmp_path / "warnings.txt")
    assert not said.counts
    assert not (tmp_path / "warnings.txt").exists()
    assert (warnings.showwarning, warnings.filters) == (show, filters)


def test_many_different_warnings_are_cut(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True), counted_warnings() as said:
        said.keep_in(tmp_path / "warnings.txt")
        warn(*(f"at step {step}" for step in range(102)), "at step 3")
    lines = (tmp_path / "warnings.txt").read_text().splitlines()
    assert len(lines) == 100
    assert lines[3] == "2 x UserWarning: at step 3"


def test_a_resumed_run_keeps_the_warnings_of_its_earlier_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warns in each epoch's first step; the run is cut in the second."""
    training_step = LitModel.training_step
    cut = True

    def warning(module: LitModel, batch: Any, batch_idx: int) -> Any:
        if batch_idx == 0:
            warnings.warn("an epoch has begun", stacklevel=1)
        if cut and module.global_step == 12:
            raise PowerCut
        return training_step(module, batch, batch_idx)

    monkeypatch.setattr(LitModel, "training_step", warning)
    file = RunFolder(tmp_path / "run").warnings
    with pytest.warns(UserWarning, match="an epoch has begun"), pytest.raises(PowerCut):
        train(small_options(), tmp_path / "run")
    assert file.read_text() == "2 x UserWarning: an epoch has begun\n"
    cut = False
    with pytest.warns(UserWarning, match="an epoch has begun"):
        train(small_options(), tmp_path / "run", resume=True)
    assert file.read_text() == "3 x UserWarning: an epoch has begun\n"
