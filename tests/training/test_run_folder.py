"""The run folder: its files, reading it back, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hpnets.ntk import fingerprint
from hpnets.options import NTKOptions, TrainerOptions
from hpnets.training import RunFolder, load_run, train
from hpnets.training.build import build, complete
from hpnets.training.errors import FolderTaken
from hpnets.training.loggers import MetricsCSV
from tests.training.runs import small_options


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("run") / "run")
    train(small_options(), folder.path)
    return folder


def test_it_holds_the_documented_files(run: RunFolder) -> None:
    files = {str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.is_file()}
    assert files == {
        *("config.yaml", "env.json", "metrics.csv", "ntk.safetensors", "model.safetensors", "summary.json"),
        *("checkpoints/last.ckpt", "checkpoints/best.ckpt", "probe.safetensors", "predictions.safetensors"),
    }


def test_config_is_enough_to_run_it_again(run: RunFolder, tmp_path: Path) -> None:
    train(run.options(), tmp_path / "again")
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors", "config.yaml"):
        assert (run.path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_env_names_versions_device_threads_and_commit(run: RunFolder) -> None:
    env = json.loads(run.env.read_text())
    assert env["versions"]["torch"] == torch.__version__.split("+")[0]
    assert env["threads"] == torch.get_num_threads()
    assert {"device", "commit", "command", "python", "platform", "cores", "started"} <= set(env)


def test_load_run_gives_the_trained_network(run: RunFolder) -> None:
    net, task, summary = load_run(run.path)
    assert not net.training
    recorded = summary["fingerprint"]
    measured = fingerprint(net, task.probe(recorded["probe"]).x)
    assert measured["trace"] == pytest.approx(recorded["trace"], rel=1e-9)
    assert measured["eigenvalues"] == pytest.approx(recorded["eigenvalues"], rel=1e-9)


def test_changed_weights_are_refused(run: RunFolder) -> None:
    content = bytearray(run.weights.read_bytes())
    try:
        run.weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match=r"model.safetensors was changed: its sha256 is"):
            load_run(run.path)
    finally:
        run.weights.write_bytes(content)


def test_a_folder_in_use_is_refused_and_left_alone(run: RunFolder) -> None:
    before = run.metrics.read_bytes()
    with pytest.raises(ValueError, match="exists already; continue it with --resume"):
        train(small_options(), run.path)
    assert run.metrics.read_bytes() == before


def test_an_unfinished_run_is_refused_by_load_run(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").start(small_options())
    with pytest.raises(ValueError, match="has not ended; continue it with --resume"):
        load_run(tmp_path / "run")
    with pytest.raises(ValueError, match="is no run folder: there is no"):
        load_run(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (text, "config.yaml is not readable: .*")
            for text in ("{", "a: [1", "? [1]: 2", "!!python/x {}", "[" * 1500)
        ),
        ("[]", r"config.yaml: the configuration is \[\]; allowed: options by name"),
        ("", "config.yaml: the configuration is None"),
        ("model: 3", "config.yaml: model is 3; allowed: options by name"),
        ("foo: 1", "config.yaml: there is no option foo"),
        ("optim: {lr: fast}", "config.yaml: optim.lr is 'fast'; allowed: a number"),
        ("ntk: {probe: null}", "config.yaml: ntk.probe is None; allowed: an integer"),
        ("gan: {latent: null}", "config.yaml: gan.latent is None; allowed: an integer"),
        ("task: {batch_size: 3}", "config.yaml: task.name is None; allowed: one of --list_tasks"),
        ("model: {name: cpp}", "config.yaml: unknown model 'cpp'; did you mean"),
        ("model: {name: ccp, degre: 3}", "config.yaml: model 'ccp' has no option 'degre'; did you mean degree"),
        ("model: {name: ccp, degree: null}", "config.yaml: model.degree is None; allowed: an integer"),
        ("model: {name: ncp, skip: 'no'}", "config.yaml: model.skip is 'no'; allowed: true or false"),
        ("task: {name: line, train_range: [1]}", r"task.train_range is \[1\]; allowed: a list of numbers, null"),
    ],
)
def test_a_config_that_a_person_broke_is_refused_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        RunFolder(tmp_path).options()


def edited(run: RunFolder, tmp_path: Path, **groups: dict[str, Any]) -> RunFolder:
    """A copy of a run folder whose config.yaml has other options."""
    copy = RunFolder(shutil.copytree(run.path, tmp_path / "edited"))
    config = yaml.safe_load(copy.config.read_text())
    copy.config.write_text(
        yaml.safe_dump({key: {**value, **groups[key]} if key in groups else value for key, value in config.items()})
    )
    return copy


def test_weights_of_another_network_than_the_config_says_are_refused(run: RunFolder, tmp_path: Path) -> None:
    message = r"model.safetensors is not of the network that .*config.yaml describes: .* is \(16, 64\), .* \(17, 64\)"
    with pytest.raises(ValueError, match=message):
        load_run(edited(run, tmp_path, model={"width": 17}).path)


def test_options_that_build_nothing_are_refused_by_file(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config.yaml: degree is 0; allowed: an integer >= 1"):
        load_run(edited(run, tmp_path, model={"degree": 0}).path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["fingerprint"].pop("trace"), "there is no fingerprint.trace"),
        (lambda s: s.pop("fingerprint"), "fingerprint is None; allowed: options by name"),
        (lambda s: s.pop("sha256"), "there is no sha256"),
        (lambda s: s.pop("metrics"), "there is no metrics"),
        (lambda s: s["metrics"].update({"test/loss": None}), "metrics.test/loss is None; allowed: a number"),
        (
            lambda s: s["fingerprint"].update(eigenvalues="many"),
            "fingerprint.eigenvalues is 'many'; allowed: a list of n",
        ),
        (lambda s: s["fingerprint"].update(probe=None), "fingerprint.probe is None; allowed: an integer"),
    ],
)
def test_a_summary_that_lost_a_key_is_refused_by_file_and_key(
    run: RunFolder, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    copy = RunFolder(shutil.copytree(run.path, tmp_path / "copy"))
    summary = json.loads(copy.summary.read_text())
    change(summary)
    copy.summary.write_text(json.dumps(summary))
    with pytest.raises(ValueError, match=rf"summary.json: {message}"):
        load_run(copy.path)
    copy.summary.write_text("{")
    with pytest.raises(ValueError, match=r"summary.json is not readable: "):
        load_run(copy.path)


def test_sizes_that_no_memory_holds_are_refused() -> None:
    for model in ({"name": "mlp", "width": 2**40}, {"name": "mlp", "width": 2**62}):
        with pytest.raises(ValueError, match=r"model .*'mlp'.* on task .* does not fit into memory"):
            build(complete(small_options(model=model)))


def test_one_of_two_runs_that_start_at_once_has_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen before that it was not there."""
    monkeypatch.setattr(RunFolder, "check_new", lambda folder: None)
    RunFolder(tmp_path / "run").start(small_options())
    with pytest.raises(FolderTaken, match=r"out is '.*run', which exists already"):
        RunFolder(tmp_path / "run").start(small_options(seed=1))
    assert RunFolder(tmp_path / "run").options().seed == 0


@pytest.mark.parametrize("out", ["a" * 300, "b/" + "a" * 256, "x/" * 2500 + "y", "a\0b"])
def test_a_folder_of_too_long_a_name_is_refused_at_once(tmp_path: Path, out: str) -> None:
    with pytest.raises(
        ValueError, match=r"out is '.*, of \d+ characters; allowed: names of at most 255 bytes, 4000 in"
    ):
        RunFolder(tmp_path / out).check_new()
    assert not RunFolder(tmp_path / ("a" * 255)).check_new()


def test_a_folder_below_a_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        ValueError, match=r"out is '.*file.*; allowed: a folder in one that can be written to, not .*file"
    ):
        RunFolder(tmp_path / "file" / "run").check_new()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "cpp"}}, "unknown model 'cpp'"),
        ({"model": {"name": "ccp", "degree": 0}}, "degree is 0"),
        ({"model": {"name": "resnet18"}, "task": {"name": "line"}}, "input_shape is"),
        ({"task": {"name": "digits", "batch_size": 5000}}, "batch_size is 5000"),
        ({"ntk": NTKOptions(probe=1198)}, "ntk.probe is 1198; allowed: at most 1197"),
        ({"ntk": NTKOptions(outputs=10)}, "outputs names 10; allowed: logits 0 to 9"),
        ({"ntk": NTKOptions(metrics=["size"])}, "metrics has 'size'"),
        ({"ntk": NTKOptions(metrics=["centred_alignment"])}, "metrics has 'centred_alignment'"),
        ({"trainer": TrainerOptions(accelerator="tpu")}, "cannot be run here"),
        ({"trainer": TrainerOptions(strategy="dpp")}, "cannot be run here"),
    ],
)
def test_options_that_cannot_be_run_leave_no_folder(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_options(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_config_holds_plain_types(run: RunFolder) -> None:
    config = yaml.safe_load(run.config.read_text())
    given = {"name": "ccp", "degree": 3, "width": 16}
    own = {"activation": "none", "norm": "none", "skip": True, "shared": False, "product": "hadamard"}
    assert config["model"] == {**given, **own, "parametrisation": "standard", "base_width": 256, "init": "own"}
    assert config["task"] == {"name": "digits", "batch_size": 132, "augment": "none", "seed": 0, "num_workers": 0}
    assert config["trainer"]["max_epochs"] == 2
    assert (config["trainer"]["devices"], config["trainer"]["num_nodes"]) == (1, 1)


def test_metrics_csv_merges_rows_and_widens_columns(tmp_path: Path) -> None:
    logger = MetricsCSV(tmp_path / "metrics.csv")
    logger.log_metrics({"b": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"a": 2.5}, step=1)
    logger.log_metrics({"c": 4.0}, step=3)
    logger.write()
    assert (tmp_path / "metrics.csv").read_text() == "step,a,b,c\n1,2.5,,\n3,,1.0,4.0\n"
