"""recipes/bench/batch_statistics.py: its pages are what its results say, and the shipped ones show what was wrong."""

import json
from pathlib import Path

import pytest
import yaml

from hpnets.atomic_files import read_tensors
from recipes.bench.batch_statistics import MARKER, PAGE, RESULTS, table, text
from tests.in_process import ROOT, run_module

SHIPPED = ROOT / "docs" / "results" / "batch-statistics"


def run(*flags: str) -> int:
    """Exit status of `python -m recipes.bench.batch_statistics`, run in this process."""
    return run_module("recipes.bench.batch_statistics", *flags)


def configs(folder: Path) -> Path:
    """A cell with BatchNorm and one without, of 54 steps."""
    for model in ("cnn", "mlp"):
        config = {
            "model": {"name": model, "width": 4},
            "task": {"name": "digits", "batch_size": 66},
            "ntk": {"probe": 10},
            "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        }
        file = folder / "digits" / f"{model}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(config))
    return folder


def test_it_measures_nets_with_batch_norm_in_both_ways(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {MARKER} -->\n<!-- end {MARKER} -->\n")
    flags = ["--configs", str(configs(tmp_path / "configs")), "--runs", str(tmp_path / "runs"), "--page", str(page)]
    flags += ["--zoo", str(tmp_path / "zoo"), "--out", str(tmp_path / "out"), "--seeds", "2"]
    with pytest.warns(UserWarning, match="still remember"):
        assert run(*flags) == 0
    record = json.loads((tmp_path / "out" / RESULTS).read_text())
    assert list(record["measured"]) == ["cnn-digits"]
    first, second = record["measured"]["cnn-digits"]
    track = read_tensors(tmp_path / "runs" / "cnn-digits" / "estimate-seed0" / "ntk.safetensors")
    assert track["steps_estimated"].tolist() == track["steps"].tolist() == [0, 20, 36]
    assert first["early"] == pytest.approx(float(track["metrics/drift"][1]))
    whole = json.loads((tmp_path / "zoo" / "cnn-digits" / "seed0" / "summary.json").read_text())
    assert first["end"] == pytest.approx(whole["kernel"]["drift"])
    assert len({*first.values(), *second.values()}) == 12
    assert (tmp_path / "out" / PAGE).read_text() == text(record)
    assert table(record) in page.read_text()
    weights = tmp_path / "runs" / "cnn-digits" / "running-seed1" / "summary.json"
    weights.write_text(json.dumps({**json.loads(weights.read_text()), "sha256": "other"}))
    with pytest.raises(RuntimeError, match="end with different weights"):
        run(*flags)


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seeds", "1") == 2
    assert "seeds is 1; allowed: >= 2" in capsys.readouterr().err


def test_the_shipped_pages_are_what_the_results_say() -> None:
    record = json.loads((SHIPPED / RESULTS).read_text())
    assert (SHIPPED / PAGE).read_text() == text(record)
    assert table(record) in (ROOT / "docs" / "concepts" / "tracking.md").read_text()
    assert record["seeds"] >= 3


def test_drift_against_young_statistics_was_no_drift() -> None:
    """The zoo's largest drifts were of BatchNorm's statistics; and the zoo now has those that are not."""
    measured = json.loads((SHIPPED / RESULTS).read_text())["measured"]
    mean = {name: {k: sum(one[k] for one in seeds) / len(seeds) for k in seeds[0]} for name, seeds in measured.items()}
    for name in ("starnet-digits", "dpolynet-digits", "se_resnet-digits", "resnet18-digits"):
        assert mean[name]["end_running"] > 5 * mean[name]["end"], name
    index = {entry["name"]: entry for entry in json.loads((ROOT / "checkpoints" / "index.json").read_text())}
    for name, numbers in mean.items():
        assert index[name]["kernel"]["drift"]["mean"] == pytest.approx(numbers["end"], rel=1e-4), name
