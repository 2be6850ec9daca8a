"""recipes/zoo/train.py on cells of a second: what it trains, keeps, resumes, publishes and refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import yaml

from hpnets.training import RunFolder, train
from hpnets.zoo import entries
from recipes.zoo import trials, tuned
from recipes.zoo.cells import CONFIGS, Cell, find_cells
from recipes.zoo.runs import CellRuns, train_cell
from recipes.zoo.spectra import read_spectra
from recipes.zoo.train import phases
from tests.in_process import run_module, run_script
from tests.training.runs import ROOT, small_options

TINY = {
    "task": {"name": "digits", "batch_size": 132},
    "optim": {"lr": 0.01},
    "ntk": {"probe": 12},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
}
MODELS = {"ccp": {"degree": 2, "width": 8}, "mlp": {"depth": 1, "width": 8}}
SEEDS = ["seed0", "seed1", "seed2"]


def write_configs(folder: Path, **changes: object) -> None:
    for name, options in MODELS.items():
        path = folder / "configs" / "digits" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"model": {"name": name, **options}, **TINY, **changes}))


def flags(folder: Path, *more: str) -> list[str]:
    places = {name: str(folder / name) for name in ("out", "checkpoints", "results", "configs")}
    return [*(word for name, place in places.items() for word in (f"--{name}", place)), *more]


def train_zoo(folder: Path, *more: str) -> int:
    return run_module("recipes.zoo.train", *flags(folder, "--jobs", "0", *more))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both cells trained and published."""
    folder = tmp_path_factory.mktemp("zoo")
    write_configs(folder)
    assert train_zoo(folder) == 0
    return folder


@pytest.fixture
def zoo(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(trained, tmp_path / "zoo")
    return tmp_path / "zoo"


def test_three_seeds_and_their_twins_are_trained_and_published(trained: Path) -> None:
    assert sorted(p.name for p in (trained / "out" / "ccp-digits").iterdir()) == SEEDS + [f"sum-{s}" for s in SEEDS]
    assert sorted(p.name for p in (trained / "out" / "mlp-digits").iterdir()) == SEEDS
    index = entries(trained / "checkpoints")
    assert list(index) == ["ccp-digits", "mlp-digits"]
    entry = index["ccp-digits"]
    assert entry.command == "python recipes/train.py --config recipes/configs/digits/ccp.yaml --seed 0"
    assert entry.twin is not None
    assert entry.twin["model"]["product"] == "sum"
    assert index["mlp-digits"].twin is None
    summary = RunFolder(trained / "out" / "ccp-digits" / "seed0").read_summary()
    assert (entry.sha256[:8], entry.fingerprint) == (entry.file[-20:-12], summary["fingerprint"])


def test_spectra_and_the_total_time_are_recorded(trained: Path) -> None:
    spectra = read_spectra(trained / "results")
    assert {name: (len(s["ours"]), len(s["twin"])) for name, s in spectra.items()} == {
        "ccp-digits": (3, 3),
        "mlp-digits": (3, 0),
    }
    assert all(len(values) == 12 for values in spectra["ccp-digits"]["twin"])
    record = json.loads((trained / "results" / "training.json").read_text())
    assert record["runs"] == 9
    assert record["calls"][0]["command"].startswith("python -m recipes.zoo.train --out ")
    runs = [json.loads(path.read_text())["seconds"] for path in trained.glob("out/*/*/summary.json")]
    assert record["seconds"] >= 0.9 * sum(runs)


def test_the_same_weights_come_from_the_command_line(trained: Path, tmp_path: Path) -> None:
    config = trained / "configs" / "digits" / "ccp.yaml"
    out = tmp_path / "run"
    assert run_script("train", "--config", str(config), "--seed", "1", "--wandb", "off", "--out", str(out)) == 0
    ours = RunFolder(trained / "out" / "ccp-digits" / "seed1").read_summary()
    assert RunFolder(out).read_summary()["sha256"] == ours["sha256"]


def test_finished_runs_are_kept(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in zoo.glob("out/*/*/*.*")}
    assert train_zoo(zoo) == 0
    assert "2 cells, 0 runs to train" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in zoo.glob("out/*/*/*.*")} == before
    assert json.loads((zoo / "results" / "training.json").read_text())["runs"] == 9


def test_cut_runs_go_on_to_the_same_weights(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = zoo / "out" / "ccp-digits"
    hashes = {run: RunFolder(cell / run).read_summary()["sha256"] for run in SEEDS}
    (cell / "seed0" / "summary.json").unlink()  # killed at the very end
    (cell / "seed1" / "env.json").unlink()  # killed at the very start
    (cell / "seed1" / "summary.json").unlink()
    shutil.rmtree(cell / "seed2")
    assert train_zoo(zoo, "--cells", "ccp-*") == 0
    assert "1 cells, 3 runs to train" in capsys.readouterr().out
    assert {run: RunFolder(cell / run).read_summary()["sha256"] for run in SEEDS} == hashes
    assert json.loads((zoo / "results" / "training.json").read_text())["runs"] == 12


def test_a_run_cut_between_epochs_resumes(zoo: Path) -> None:
    runs = CellRuns(find_cells("ccp-digits", zoo / "configs")[0], zoo / "out")
    whole = runs.runs()[0].read_summary()["sha256"]
    shutil.rmtree(runs.runs()[0].path)
    options = runs.cell.options(seed=0)
    longer = options.trainer.max_epochs
    options.trainer.max_epochs = 1
    train(options, runs.runs()[0].path)
    config = yaml.safe_load(runs.runs()[0].config.read_text())
    config["trainer"]["max_epochs"] = longer
    runs.runs()[0].config.write_text(yaml.safe_dump(config))
    runs.runs()[0].summary.unlink()
    train_cell(runs.cell.config, runs.out)
    assert runs.runs()[0].read_summary()["sha256"] == whole


def test_runs_of_another_config_are_refused_and_trained_anew(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_configs(zoo, optim={"lr": 0.02})
    old = entries(zoo / "checkpoints")["mlp-digits"].sha256
    assert train_zoo(zoo, "--cells", "mlp-digits") == 2
    error = capsys.readouterr().err
    assert "mlp-digits/seed0 was made with another optim than its config has now" in error
    assert error.count("\n") == 1
    assert train_zoo(zoo, "--cells", "mlp-digits", "--fresh", "true") == 0
    assert entries(zoo / "checkpoints")["mlp-digits"].sha256 != old


def test_the_mlp_that_pictures_are_measured_by_comes_first_and_generators_follow() -> None:
    wanted = "ccp-digits,mlp-digits,van-digits"
    plain = [CellRuns(cell, Path("out")) for cell in find_cells(wanted, ROOT / CONFIGS)]
    assert [[runs.cell.name for runs in phase] for phase in phases(plain)] == [[], wanted.split(",")]
    generator = CellRuns(Cell(Path("digits") / "style_generator.yaml"), Path("out"))
    order = [[runs.cell.name for runs in phase] for phase in phases([*plain, generator])]
    assert order == [["mlp-digits"], ["style_generator-digits", "ccp-digits", "van-digits"]]


def test_a_twin_is_tuned_as_its_network_and_the_weights_stay(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each at its own best rate by validation: every seed at every rate; mlp, which has no twin, is left out."""
    monkeypatch.setattr(tuned, "FACTORS", (0.001, 1.0))  # of which the first learns next to nothing
    before, places = entries(zoo / "checkpoints")["ccp-digits"], flags(zoo)[2:]
    tune = [*places, "--jobs", "0", "--out", str(zoo / "tuning")]
    assert run_module("recipes.zoo.tune", *tune) == 0
    assert len(list(zoo.glob("tuning/ccp-digits/*/summary.json"))) == 2 * 2 * 3
    after = entries(zoo / "checkpoints")["ccp-digits"]
    assert replace(after, twin=before.twin) == before
    assert after.twin is not None
    tuning = after.twin["tuning"]
    assert (tuning["rates"], tuning["net"], tuning["twin"]) == ([1e-5, 0.01], 0.01, 0.01)
    assert tuning["at_edge"] == ["net", "twin"]
    assert tuning["seconds"] > 0
    for name, metric in tuning["net_metrics"].items():
        assert metric == pytest.approx(before.metrics[name])  # the same run as that of the config
        difference = metric["mean"] - after.twin["metrics"][name]["mean"]
        assert after.twin["difference"][name]["mean"] == pytest.approx(difference)
    spectra = read_spectra(zoo / "results")["ccp-digits"]
    assert len(spectra["twin"]) == 3
    capsys.readouterr()
    assert run_module("recipes.zoo.tune", *tune) == 0
    assert "1 cells with a twin, 0 rates to train" in capsys.readouterr().out
    attack = [*flags(zoo)[:2], *flags(zoo)[4:], "--jobs", "0"]
    assert run_module("recipes.zoo.robust", *attack, "--tuning", str(zoo / "none")) == 0
    assert "ccp-digits: not every rate is trained" in capsys.readouterr().out
    assert run_module("recipes.zoo.robust", *attack, "--tuning", str(zoo / "tuning")) == 0
    cells = json.loads((zoo / "results" / "robust.json").read_text())["cells"]
    assert cells["ccp-digits"]["rates"] == {"net": 0.01, "twin": 0.01}
    accuracy = cells["ccp-digits"]["twin"]["clean"]
    assert sum(accuracy) / 3 == pytest.approx(after.twin["metrics"]["test/accuracy"]["mean"])
    assert max(cells["ccp-digits"]["net"]["0.1"]) <= max(cells["ccp-digits"]["net"]["clean"])
    assert cells["mlp-digits"]["twin"] is None
    capsys.readouterr()
    assert run_module("recipes.zoo.robust", *attack, "--tuning", str(zoo / "tuning")) == 0
    assert "clean" not in capsys.readouterr().out  # nothing is measured twice


def test_the_choice_is_by_the_last_validation_and_never_a_rate_that_diverged(tmp_path: Path) -> None:
    runs = {}
    for rate, last, metric in ((0.1, 0.5, "val/accuracy"), (0.3, 0.7, "val/accuracy"), (0.9, 1.0, "val/accuracy")):
        run = RunFolder(tmp_path / f"{rate}")
        run.start(small_options())
        run.metrics.write_text(f"step,{metric}\n1,0.99\n2,{last}\n")
        run.summary.write_text(json.dumps({"best": {metric: 0.99}}))
        runs[rate] = [run]
    (runs[0.9][0].path / trials.DIVERGED).write_text("NaN")
    with mock.patch.object(RunFolder, "read_summary", lambda run: json.loads(run.summary.read_text())):
        assert trials.choose(runs) == trials.Choice(0.3, at_edge=False)
        assert trials.choose({0.1: runs[0.1], 0.9: runs[0.9]}) == trials.Choice(0.1, at_edge=True)
        with pytest.raises(ValueError, match=r"all rates diverged: 0\.9"):
            trials.choose({0.9: runs[0.9]})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cells", "cpp-digits"], "cells has 'cpp-digits', which matches none; did you mean ccp-digits"),
        (["--cells", "ccp-digits,"], "cells has '', which matches none"),
        (["--jobs", "-1"], "jobs is -1; allowed: >= 0"),
        (["--configs", "nowhere"], "configs is 'nowhere', which holds no <task>/<model>.yaml"),
    ],
)
def test_mistakes_end_with_one_line(
    zoo: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert train_zoo(zoo, *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_options_are_compared_as_they_are_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    train(small_options(), run.path)
    assert run.options().to_dict() == yaml.safe_load(run.config.read_text())


def gone(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.time() + seconds
    while not holds():
        assert time.time() < deadline
        time.sleep(0.1)


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    write_configs(tmp_path, trainer={"max_epochs": 400, "accelerator": "cpu"})
    command = [sys.executable, "-m", "recipes.zoo.train", *flags(tmp_path, "--jobs", "1")]
    started = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "out" / "ccp-digits" / "seed0" / "checkpoints" / "last.ckpt").is_file, seconds=200)
    os.killpg(started.pid, signal.SIGINT)
    _, error = started.communicate(timeout=60)
    assert started.returncode == 130, error
    wait_for(lambda: gone(started.pid), seconds=30)


def test_a_cell_that_fails_in_a_process_of_its_own_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_configs(tmp_path, optim={"lr": 1e30})
    with mock.patch.dict(os.environ):  # in which the command writes the threads of its processes
        assert run_module("recipes.zoo.train", *flags(tmp_path, "--jobs", "1", "--cells", "mlp-digits")) == 1
    assert "train.py: error: failed: mlp-digits" in capsys.readouterr().err
    assert "NonFiniteError" in (tmp_path / "out" / "mlp-digits" / "log.txt").read_text()
