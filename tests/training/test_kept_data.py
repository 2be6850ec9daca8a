"""What a run keeps of its data: the probe set, and the outputs on the test split."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors import safe_open

from hpnets.atomic_files import read_tensors
from hpnets.options import NTKOptions
from hpnets.tasks import create_task
from hpnets.tasks.base import Probe
from hpnets.training import RunFolder, kept_data, load_run, train
from hpnets.training.kept_data import Predictions, kept_rows, write_probe
from tests.training.runs import small_options

UNTRACKED = NTKOptions(probe=5, every="off")


def test_predictions_are_the_outputs_that_the_test_metrics_are_of(tmp_path: Path) -> None:
    train(small_options(), tmp_path / "run")
    net, task, summary = load_run(tmp_path / "run")
    kept = read_tensors(RunFolder(tmp_path / "run").predictions)
    x, y = task.test_set.batch(range(300))
    torch.testing.assert_close(kept["outputs"], net(x))
    assert torch.equal(kept["targets"], y)
    assert torch.equal(kept["rows"], task.test_set.indices)
    right = (kept["outputs"].argmax(1) == kept["targets"]).float().mean()
    assert float(right) == pytest.approx(summary["metrics"]["test/accuracy"])
    with safe_open(RunFolder(tmp_path / "run").predictions, framework="pt") as file:
        assert file.metadata() == {"samples": "300"}


def test_the_probe_file_holds_the_samples_of_the_kernel(tmp_path: Path) -> None:
    train(small_options(ntk=UNTRACKED), tmp_path / "run")
    probe = load_run(tmp_path / "run")[1].probe(5)
    kept = read_tensors(RunFolder(tmp_path / "run").probe)
    assert probe.y is not None
    assert probe.indices is not None
    assert torch.equal(kept["x"], probe.x)
    assert torch.equal(kept["y"], probe.y)
    assert torch.equal(kept["indices"], probe.indices)


def test_inputs_that_are_too_large_and_targets_that_are_not_there_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_data, "INPUTS", 6)
    write_probe(tmp_path / "probe.safetensors", Probe(torch.zeros(2, 3), None, None))
    assert [*read_tensors(tmp_path / "probe.safetensors")] == ["x"]
    write_probe(tmp_path / "probe.safetensors", Probe(torch.zeros(7, 1), torch.zeros(7, 1), None))
    assert [*read_tensors(tmp_path / "probe.safetensors")] == ["y"]


def test_rows_of_a_large_split_are_spread_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept_rows(5, 3).tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(kept_data, "OUTPUTS", 12)
    assert kept_rows(10, 3).tolist() == [0, 2, 5, 7]
    assert kept_rows(10, 100).tolist() == [0]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_shares_of_ranks_join_to_the_rows_of_one_process(world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_data, "OUTPUTS", 400)
    task = create_task("digits", batch_size=66)
    task.setup()
    ranks = []
    for rank in range(world):
        task.trainer = cast(Any, SimpleNamespace(world_size=world, global_rank=rank))
        ranks.append(Predictions(task))
        for x, y in task.test_dataloader():
            ranks[-1].add(x.flatten(1)[:, :10], y)
    parts = [[torch.cat(part) for part in zip(*each.parts, strict=True)] for each in ranks]
    # gather_all_tensors, as torch.distributed would answer: the same piece of each rank.
    which = iter(range(3))
    monkeypatch.setattr(kept_data, "gather_all_tensors", lambda _: [part[i] for i in [next(which)] for part in parts])
    kept = ranks[0].gathered()
    rows = kept_rows(300, 10)
    assert len(rows) == 40
    x, y = task.test_set.batch(rows)
    assert torch.equal(kept["outputs"], x.flatten(1)[:, :10])
    assert torch.equal(kept["targets"], y)
    assert torch.equal(kept["rows"], task.test_set.indices[rows])
