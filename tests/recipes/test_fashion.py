"""recipes/zoo/fashion.py and fashion_publish.py on a small data set in Fashion-MNIST's format."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hpnets.commands.evaluate import METRIC_TOLERANCE
from hpnets.training import RunFolder, evaluate, load_run
from hpnets.zoo import entries, load_pretrained
from recipes.zoo import fashion_runs
from recipes.zoo.cells import Cell
from recipes.zoo.fashion import fashion
from recipes.zoo.fashion_publish import fashion_publish
from recipes.zoo.fashion_runs import NETS, RATES, Length, Side
from recipes.zoo.packing import LARGEST, pack, parts, unpack
from recipes.zoo.page import fashion_trained
from tests.in_process import run_module
from tests.recipes.work import Piece
from tests.tasks.formats import write_files


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, with small networks trained on small data, and packed."""
    folder = tmp_path_factory.mktemp("fashion")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_files("fashion_mnist", folder / "data", patch, 100, 40)
        patch.setattr(fashion_runs, "BATCH", 30)
        patch.setattr(fashion_runs, "PROBE", 10)
        patch.setitem(NETS, "monet", {"width": 4, "depth": 1})
        patch.setattr(fashion_runs, "RATES", RATES[:2])
        fashion(processes=0, quick=True, models="monet", device="cpu", packed="packed")
        yield folder


def test_rates_are_tried_on_a_split_and_seeds_trained_on_all_images(here: Path) -> None:
    side = Side("monet", True, Path("runs/fashion"), "cpu", Length(flops=1e9))
    for rate in RATES[:2]:
        options = side.trial(rate).options()
        assert (options.optim.lr, options.task["validation"], options.model["product"]) == (rate, 0.1, "sum")
        assert options.trainer.max_steps == max(1, side.steps // fashion_runs.TRIAL)
    best = side.choice().rate
    for seed, run in enumerate(side.last()):
        options, kernel = run.options(), run.read_summary()["kernel"]
        assert (options.seed, options.optim.lr, options.task["validation"]) == (seed, best, 0.0)
        assert options.trainer.max_steps == run.read_summary()["steps"] == side.steps
        assert kernel["drift"] > 0
        assert not run.read_summary()["best"]  # nothing is validated


def test_networks_and_twins_have_one_budget() -> None:
    """Of floating-point operations; a network and its twin take the same steps."""
    for model in NETS:
        sides = [Side(model, twin, Path(), "cpu") for twin in (False, True)]
        assert sides[0].steps == sides[1].steps > 400


def test_what_is_published_is_what_this_cpu_gives(here: Path) -> None:
    (here / "checkpoints").mkdir(exist_ok=True)
    fashion_publish(runs="unpacked", packed="packed", configs="configs")
    index = entries(here / "checkpoints")
    assert set(index) == {"monet-fashion_mnist", "monet_sum-fashion_mnist"}
    entry, twin = index["monet-fashion_mnist"], index["monet_sum-fashion_mnist"]
    assert entry.twin is not None
    assert entry.twin["tuning"]["rates"] == list(RATES)
    difference = entry.metrics["test/accuracy"]["mean"] - twin.metrics["test/accuracy"]["mean"]
    assert entry.twin["difference"]["test/accuracy"]["mean"] == pytest.approx(difference)
    assert twin.twin is None
    text = fashion_trained(here / "docs" / "results" / "zoo" / "fashion.json")
    assert "10 runs" in text
    assert "0.4 to 0.4 epochs" in text
    net, task, _ = load_run(Path("unpacked/monet_sum/seed0"))
    measured = evaluate(net, task)["test/loss"]
    assert twin.metrics["test/loss"]["weights"] == pytest.approx(measured, abs=METRIC_TOLERANCE)
    assert (
        load_pretrained("monet_sum-fashion_mnist", here / "checkpoints")[0].state_dict().keys()
        == net.state_dict().keys()
    )


def test_a_written_config_is_that_of_the_run(here: Path) -> None:
    fashion_publish(runs="unpacked", packed="packed", configs="configs", models="monet")
    cell = Cell(Path("configs/fashion_mnist/monet_sum.yaml"))
    made, run = cell.options(seed=0).to_dict(), RunFolder(Path("runs/fashion/monet_sum/seed0")).options().to_dict()
    run["trainer"] |= {"val_every": "epoch", "accelerator": "auto", "devices": "auto", "num_nodes": "auto"}
    assert made == run
    assert not cell.has_twin()
    assert "product" not in yaml.safe_load(Path("configs/fashion_mnist/monet.yaml").read_text())["model"]


def test_ended_runs_are_kept_also_those_that_were_packed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fashion(out="again", processes=0, quick=True, models="monet", device="cpu", packed="packed")
    assert "epoch" not in capsys.readouterr().out
    assert (here / "again" / "monet" / "seed2" / "summary.json").is_file()
    assert not (here / "again" / "monet" / "rate-0.001" / "model.safetensors").exists()


def test_packed_files_are_small_enough_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        run = tmp_path / "runs" / "net" / f"seed{i}"
        run.mkdir(parents=True)
        (run / "summary.json").write_text(json.dumps(i))
    (tmp_path / "runs" / "net" / "cut").mkdir()
    (tmp_path / "runs" / "net.log").write_text("said")
    monkeypatch.setattr("recipes.zoo.packing.LARGEST", 4000)
    assert [len(part) for part in parts(sorted(tmp_path.glob("runs/net/*/summary.json")))] == [1, 1, 1]
    pack(tmp_path / "runs", tmp_path / "packed", lambda run: ["summary.json"])
    assert len(list((tmp_path / "packed").glob("runs*.tar"))) == 4
    unpack(tmp_path / "packed", tmp_path / "back")
    names = sorted(str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*") if p.is_file())
    assert names == ["net.log", *(f"net/seed{i}/summary.json" for i in range(3))]
    assert LARGEST < 16 * 2**20


def test_mistakes_end_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for flags, message in (
        (["--models", "monnet"], "unknown model 'monnet'; did you mean monet"),
        (["--minutes", "-1"], "minutes is -1.0, flops is 0.0; allowed: >= 0"),
    ):
        assert run_module("recipes.zoo.fashion", *flags, "--out", str(tmp_path / "none")) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("until", "left"), [pytest.param(None, ["fails"], marks=pytest.mark.slow), (0.0, ["fails", "works"])]
)
def test_a_pool_names_what_did_not_finish(tmp_path: Path, until: float | None, left: list[str]) -> None:
    from recipes.zoo.pool import train_all

    assert train_all([Piece("works", tmp_path), Piece("fails", tmp_path)], 2, until) == left
    if until is None:
        assert (tmp_path / "works.txt").read_text() == "done"
        assert re.search("ValueError: it was asked to", (tmp_path / "fails.log").read_text())
