"""The run folder: its files, reading it back, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from hpnets.ntk import fingerprint
from hpnets.options import NTKOptions, TrainerOptions
from hpnets.training import RunFolder, load_run, train
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
        *("checkpoints/last.ckpt", "checkpoints/best.ckpt"),
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
    found = fingerprint(net, task.probe(recorded["probe"]).x)
    assert found["trace"] == pytest.approx(recorded["trace"], rel=1e-9)
    assert found["eigenvalues"] == pytest.approx(recorded["eigenvalues"], rel=1e-9)


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


@pytest.mark.parametrize("text", ["{", "model: 3\nfoo: 1", "[]"])
def test_an_unreadable_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config.yaml is not readable"):
        RunFolder(tmp_path).options()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "cpp"}}, "unknown model 'cpp'"),
        ({"model": {"name": "ccp", "degree": 0}}, "degree is 0"),
        ({"model": {"name": "resnet18"}, "task": {"name": "line"}}, "input_shape is"),
        ({"task": {"name": "digits", "batch_size": 5000}}, "batch_size=5000"),
        ({"ntk": NTKOptions(probe=1198)}, "ntk.probe is 1198; allowed: at most 1197"),
        ({"ntk": NTKOptions(outputs=10)}, "outputs names 10; the net has logits 0 to 9"),
        ({"ntk": NTKOptions(metrics=["size"])}, "metrics has 'size'"),
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
    assert config["task"] == {"name": "digits", "batch_size": 132, "seed": 0, "num_workers": 0}
    assert config["trainer"]["max_epochs"] == 2


def test_metrics_csv_merges_rows_and_widens_columns(tmp_path: Path) -> None:
    logger = MetricsCSV(tmp_path / "metrics.csv")
    logger.log_metrics({"b": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"a": 2.5}, step=1)
    logger.log_metrics({"c": 4.0}, step=3)
    logger.write()
    assert (tmp_path / "metrics.csv").read_text() == "step,a,b,c\n1,2.5,,\n3,,1.0,4.0\n"
