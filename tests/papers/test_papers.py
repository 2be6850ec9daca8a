"""All papers: tiny studies from end to end, one command, and (slow) their own --quick."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from hpnets.papers import list_papers, load_paper
from hpnets.study import charts, run_study
from tests.in_process import run_script
from tests.training.runs import ROOT

VERDICTS = ("reproduced", "not reproduced", "contradicted")


@pytest.mark.parametrize("name", list_papers())
def test_a_paper_from_end_to_end(name: str, tmp_path: Path) -> None:
    paper = load_paper(name)
    out, page, again = (tmp_path / part for part in ("out", "page", "again"))
    run_study(paper, paper.tiny, out, page=page)
    results, text = json.loads((page / "results.json").read_text()), (page / "README.md").read_text()
    assert text.startswith(f"# {paper.title}\n\n{' '.join(results['abstract'])}\n\n")
    assert len(results["abstract"]) == 5
    assert all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in results["abstract"])
    for claim in results["claims"]:
        assert claim["verdict"] in VERDICTS
        assert all(claim[part] for part in ("says", "where", "formula", "accepted", "measured"))
    pictures = {figure["picture"] for figure in results["figures"]} - {""}
    assert {path.name for path in page.iterdir()} == {"README.md", "results.json", *pictures}
    with mock.patch.object(charts, "save_svg"):  # its pictures are those of the first run
        run_study(paper, paper.tiny, page, page=again, render=True)
    rendered = json.loads((again / "results.json").read_text())
    same = ("command", "environment", "seconds", "cells")
    assert [rendered[key] for key in same] == [results[key] for key in same]
    assert [c["verdict"] for c in rendered["claims"]] == [c["verdict"] for c in results["claims"]]


@pytest.mark.parametrize("name", list_papers())
def test_cells_of_a_paper_have_names_of_their_own(name: str) -> None:
    paper = load_paper(name)
    for sizes in (paper.sizes, paper.quick, paper.tiny):
        names = [cell.name for cell in paper.cells(sizes)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("extrapolaton",), "unknown paper 'extrapolaton'; did you mean extrapolation"),
        (("extrapolation", "--seeds", "2"), "seeds is 2; allowed: >= 3"),
        (("ntk_convergence", "--device", "tpu"), "device is 'tpu'; allowed here: auto, cpu"),
        (("spectral_bias", "--sed", "3"), "did you mean --seeds"),
        (("spectral_bias", "--mnist", "somewhere"), "unrecognized arguments: --mnist"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script("study", *words, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "out").exists()


def test_the_papers_are_listed_and_help_needs_no_torch() -> None:
    code = (
        "import sys, contextlib\nfrom hpnets.commands.study import main\nmain(['--list'])\n"
        "with contextlib.suppress(SystemExit):\n    main(['extrapolation', '--help'])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert all(f"{name} " in done.stdout and load_paper(name).title in done.stdout for name in list_papers())
    assert "--mnist" in done.stdout


def study(*words: str) -> subprocess.CompletedProcess[str]:
    """`python recipes/study.py WORDS` in a process of its own."""
    command = [sys.executable, str(ROOT / "recipes" / "study.py"), *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_papers())
def test_quick(name: str, tmp_path: Path) -> None:
    """End to end, and in less than 3 minutes, as the documentation says."""
    start = time.monotonic()
    done = study(name, "--quick", "--seeds", "3", "--out", str(tmp_path / "out"))
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert seconds < 180
    assert "| 1 |" in done.stdout
    assert (tmp_path / "out" / "verdict.md").is_file()
