"""The three recipes: tiny studies from end to end, and (slow) their own --quick."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recipes.papers.parts.study import Finished, Study
from tests.training.runs import ROOT

TINY: dict[str, dict[str, Any]] = {
    "extrapolation": {
        "line_networks": ("mlp", "pnn-2", "ccp-2", "ccp-3", "ccp-3-sum", "ccp-10"),
        "helix_networks": ("mlp", "ccp-3"),
        "box_networks": ("mlp", "pnn-2", "ccp-2"),
        "width": 16,
        "points": 32,
        "box_points": 32,
        "steps": 20,
        "paper_epochs": (2,),
        "paper_mlp_width": 16,
        "sectors": (0, 180),
        "sum_width": 16,
        "pairs": 512,
        "sum_steps": 10,
    },
    "ntk_convergence": {
        "init_widths": (32, 64, 128),
        "widths": (32, 64, 128),
        "steps": 20,
        "four_widths": (32,),
        "four_steps": 20,
        "digit_widths": (32, 64),
        "samples": 32,
    },
    "spectral_bias": {
        "spectrum_dims": (3, 10),
        "k_max": 32,
        "windows": ((4, 12), (12, 32)),
        "degrees": (1, 3, 9),
        "samples": 60,
        "width": 64,
        "paper_width": 128,
        "net_widths": (32, 64),
        "net_steps": 10,
        "wide_steps": 3,
        "label_width": 32,
        "label_samples": 60,
        "label_steps": 10,
    },
}
PICTURES = {
    "extrapolation": {"curves.svg", "sectors.svg"},
    "ntk_convergence": {"kernels.svg", "four.svg", "components.svg"},
    "spectral_bias": {"spectra.svg", "steps.svg"},
}


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_study_from_end_to_end(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = importlib.import_module(f"recipes.papers.{name}")
    sizes = dataclasses.replace(recipe.QUICK, **TINY[name])
    out, page = tmp_path / "out", tmp_path / "page"
    recipe.study(Study(out, "cpu"), sizes, [0, 1, 2], str(page))
    results = json.loads((out / "results.json").read_text())
    assert {path.name for path in page.iterdir()} == {"README.md", "results.json", *PICTURES[name]}
    assert all(claim["verdict"] in ("reproduced", "not reproduced", "contradicted") for claim in results["claims"])
    assert all(f"({picture})" in (page / "README.md").read_text() for picture in PICTURES[name])
    assert set(results["found"]) == {path.stem for path in (out / "cells").glob("*.json")}
    stamps = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    capsys.readouterr()
    recipe.study(Study(out, "cpu"), sizes, [0, 1, 2])
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")} == stamps
    again = json.loads((out / "results.json").read_text())
    assert (again["claims"], again["found"]) == (results["claims"], results["found"])
    page_again = tmp_path / "again"
    recipe.study(Finished(page), sizes, [0, 1, 2], str(page_again))
    rendered = json.loads((page_again / "results.json").read_text())
    assert all(rendered[key] == results[key] for key in ("command", "environment", "seconds", "found"))
    assert [c["verdict"] for c in rendered["claims"]] == [c["verdict"] for c in results["claims"]]


def run(name: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """`python recipes/papers/NAME.py FLAGS` in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "recipes" / "papers" / f"{name}.py"), *flags],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("extrapolation", ("--seeds", "2"), "seeds is 2; allowed: at least 3"),
        ("ntk_convergence", ("--device", "tpu"), "device is 'tpu'; allowed here: auto, cpu"),
        ("spectral_bias", ("--sed", "3"), "did you mean --seeds"),
    ],
)
def test_a_mistake_is_told_in_one_line(name: str, flags: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = run(name, *flags, "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_quick(name: str, tmp_path: Path) -> None:
    """End to end, and in less than 3 minutes, as the recipe says of itself."""
    start = time.monotonic()
    done = run(name, "--quick", "--seeds", "3", "--out", str(tmp_path / "out"))
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert seconds < 180
    assert "| 1 |" in done.stdout
    assert (tmp_path / "out" / "verdict.md").is_file()
