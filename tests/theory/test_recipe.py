"""recipes/limits.py, run as its users run it."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*flags: str) -> object:
    """Exit status of `python recipes/limits.py flags`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["recipes/limits.py", *flags])
        try:
            runpy.run_path(str(ROOT / "recipes" / "limits.py"), run_name="__main__")
        except SystemExit as end:
            return end.code
    return 0


def test_a_quick_run_writes_numbers_and_a_page_and_keeps_other_families(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--quick", "--seeds", "2"]
    assert not run("convergence", "--families", "ccp", *out)
    assert not run("convergence", "--families", "bilinear,pnn", "--keep", *out)
    found = json.loads((tmp_path / "convergence.json").read_text())
    assert set(found["found"]) == {"ccp", "bilinear", "pnn"}
    assert [len(errors) for errors in found["found"]["pnn"]["errors"].values()] == [2, 2]
    assert found["environment"]["versions"]["torch"]
    assert not run("parity", "--out", str(tmp_path))
    page = (tmp_path / "README.md").read_text()
    assert "| bilinear |  | 16 |" in page
    assert "| gelu | " in page
    worst = max(
        max(pair) for pair in json.loads((tmp_path / "parity.json").read_text())["found"]["differences"].values()
    )
    assert 0 < worst < 1e-8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["convergence", "--quick"], "--quick measures nothing that belongs in docs/results/limits"),
        (["convergence", "--families", "cpp", "--out", "x"], "unknown family 'cpp': did you mean"),
        (["convergence", "--seeds", "0", "--out", "x"], "seeds is 0; allowed: 1 and more"),
        (["speed", "--venv", "nowhere", "--out", "x"], "no such file: nowhere/bin/python"),
    ],
)
def test_bad_flags_are_one_line(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*flags)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
