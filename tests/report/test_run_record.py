"""Run folders in any state are read: what is there is kept, what is damaged is said."""

from pathlib import Path

import pytest

from hpnets.report.run_groups import differences_to_twins, differing_options, grouped
from hpnets.report.run_record import read_run
from tests.report.run_folders import change, cut, write_run


def test_a_finished_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "first", 0.92))
    assert (run.name, run.state, run.model, run.task, run.seed) == ("first", "finished", "ccp", "digits", 0)
    assert (run.metric, run.result, run.steps, run.problems) == ("accuracy", 0.92, 18, ())
    assert run.options["model.degree"] == 2
    assert run.curve("ntk/drift") == ([0.0, 18.0], [0.0, 0.5])
    assert run.last("val/loss") == 1.0
    assert run.track["kernel_first"].shape == (6, 6)


def test_a_run_without_a_summary_is_unfinished(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    (folder / "summary.json").unlink()
    run = read_run(folder)
    assert (run.state, run.result, run.steps, run.metric) == ("unfinished", None, 18, "accuracy")


def test_a_folder_with_one_file_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: {name: ccp}\n")
    run = read_run(tmp_path)
    assert (run.state, run.model, run.task, run.steps, run.metric) == ("unfinished", "ccp", "", 0, "loss")
    assert run.track == run.probe == run.predictions == {}


@pytest.mark.parametrize(
    ("name", "left", "said"),
    [
        ("summary.json", 40, "summary.json"),
        ("env.json", 5, "env.json"),
        ("metrics.csv", 140, "line 3"),
        ("ntk.safetensors", 200, "ntk.safetensors"),
        ("probe.safetensors", 3, "probe.safetensors"),
        ("predictions.safetensors", 300, "predictions.safetensors"),
    ],
)
def test_a_file_that_is_cut_short_is_said_and_the_rest_is_kept(tmp_path: Path, name: str, left: int, said: str) -> None:
    folder = write_run(tmp_path)
    cut(folder / name, left)
    run = read_run(folder)
    assert run.state == "damaged"
    assert len(run.problems) == 1
    assert said in run.problems[0]
    assert run.options["model.name"] == "ccp"
    assert name == "metrics.csv" or run.rows
    assert (run.track == {}) == (name == "ntk.safetensors")


@pytest.mark.parametrize("content", ["- a\n- list\n", "model: {name: ccp\n"])
def test_a_config_that_a_person_broke_is_said(tmp_path: Path, content: str) -> None:
    (write_run(tmp_path) / "config.yaml").write_text(content)
    run = read_run(tmp_path)
    assert (run.state, run.options, run.model, run.result) == ("damaged", {}, "ccp", 0.9)


@pytest.mark.parametrize("changed", [{"metrics": [1, 2]}, {"kernel": "none"}])
def test_a_summary_of_another_version_is_said(tmp_path: Path, changed: dict[str, object]) -> None:
    folder = write_run(tmp_path)
    change(folder / "summary.json", **changed)
    run = read_run(folder)
    assert run.state == "damaged"
    assert f"{next(iter(changed))} is {next(iter(changed.values()))!r}" in run.problems[0]
    assert run.result is None


def test_seeds_are_one_group_and_labels_tell_groups_apart(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / f"{d}{s}", seed=s, degree=d)) for d in (2, 3) for s in (0, 1)]
    groups = grouped(runs)
    assert [group.label for group in groups] == ["ccp on digits, degree 2", "ccp on digits, degree 3"]
    assert [len(group.runs) for group in groups] == [2, 2]
    assert differing_options(runs) == ["model.degree"]


def test_the_difference_to_the_twin_is_paired_by_seed(tmp_path: Path) -> None:
    from scipy.stats import ttest_1samp

    net, twin = (0.9, 0.8, 0.95), (0.7, 0.75, 0.8)
    runs = [read_run(write_run(tmp_path / f"n{s}", a, s)) for s, a in enumerate(net)]
    runs += [read_run(write_run(tmp_path / f"t{s}", a, s, product="sum")) for s, a in enumerate(twin)]
    runs.append(read_run(write_run(tmp_path / "n9", 0.1, 9)))  # a seed that the twin lacks
    (difference,) = differences_to_twins(grouped(runs))
    values = [a - b for a, b in zip(net, twin, strict=True)]
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    assert difference.differences == pytest.approx(values)
    assert difference.mean == pytest.approx(sum(interval) / 2)
    assert difference.half_width == pytest.approx((interval[1] - interval[0]) / 2)


def test_one_seed_has_no_interval_and_other_options_no_twin(tmp_path: Path) -> None:
    pair = [read_run(write_run(tmp_path / p, product=p)) for p in ("hadamard", "sum")]
    (difference,) = differences_to_twins(grouped(pair))
    assert difference.half_width is None
    other = read_run(write_run(tmp_path / "other", product="sum", degree=5))
    assert not differences_to_twins(grouped([pair[0], other]))
