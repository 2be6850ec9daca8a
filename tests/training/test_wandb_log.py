"""wandb: modes, and failures that must not stop a run."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from hpnets.models.cost import cost
from hpnets.options import NTKOptions, OptimOptions, WandbOptions
from hpnets.training import NonFiniteError, RunFolder, load_run, train
from hpnets.training.wandb_log import WandbLog, resolve_mode
from tests.training.runs import finish, read_rows, small_options, start_train, train_until

OFF = NTKOptions(probe=5, every="off")


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


def test_auto_is_online_with_a_key_and_offline_without(keyless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert resolve_mode("auto") == "offline"
    keyless.setenv("WANDB_BASE_URL", "http://wandb.example")
    (tmp_path / "netrc").write_text("machine wandb.example login user password " + "0" * 40)
    assert resolve_mode("auto") == "online"
    (tmp_path / "netrc").unlink()
    keyless.setenv("WANDB_API_KEY", "0" * 40)
    assert resolve_mode("auto") == "online"
    keyless.setenv("WANDB_MODE", "disabled")
    assert resolve_mode("auto") == "off"
    keyless.setenv("WANDB_MODE", "offline")
    assert resolve_mode("auto") == "offline"
    assert resolve_mode("off") == "off"
    assert resolve_mode("offline") == "offline"


def test_online_without_a_key_goes_offline_and_says_so(keyless: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="no key found"):
        assert resolve_mode("online") == "offline"


Records = list[dict[str, Any]]


def records(run: RunFolder) -> Records:
    """The records of the newest offline file of a run, as wandb's own reader prints them."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run.path / "wandb" / "latest-run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def history(run: RunFolder) -> Records:
    """The rows of the newest offline file, in order."""
    return [record["history"]["item"] for record in records(run) if record["type"] == "history"]


def test_an_offline_run_logs_scalars_config_and_spectra_over_the_step(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    options = WandbOptions("offline", "twins", "ccp-3", ["digits", "first"], "mine")
    summary = train(small_options(wandb=options), run.path)
    by_type: dict[str, Records] = {}
    for record in records(run):
        by_type.setdefault(record["type"], []).append(record[record["type"]])
    (start,), config = by_type["run"], by_type["run"][0]["config"]["update"]
    assert [start[key] for key in ("project", "run_group", "tags", "display_name")] == [
        *("twins", "ccp-3", ["digits", "first"], "mine")
    ]
    net, task, _ = load_run(run.path)
    assert {key: config[key] for key in ("parameters", "flops", "products")} == vars(cost(net, task.input_shape))
    assert config["environment"] == json.loads(run.env.read_text())
    assert config["model"]["degree"] == 3
    axis = {"glob_name": "*", "options": {"defined": True, "step_sync": True}, "step_metric": "trainer/global_step"}
    assert axis in by_type["metric"]
    rows = [record["item"] for record in by_type["history"]]
    assert all("trainer/global_step" in row for row in rows)
    steps = [row["trainer/global_step"] for row in rows if scalars(row)]
    assert len(set(steps)) == len(steps)  # one row a step
    assert by_step(rows) == {int(row["step"]): scalars(row) for row in read_rows(run.path)}
    spectra = [row for row in rows if "ntk/eigenvalues.values" in row]
    assert [row["trainer/global_step"] for row in spectra] == [0, 9, 18]
    assert all(sum(row["ntk/eigenvalues.values"]) == 20 for row in spectra)
    assert any("spectrum_table" in str(record) for record in by_type["files"])
    assert summary.results["steps"] == 18


def scalars(row: dict[str, Any]) -> dict[str, str]:
    """The metrics of a row of metrics.csv, or of wandb's history, which adds times, epochs and steps."""
    return {
        name: f"{float(value):.9g}"
        for name, value in row.items()
        if "/" in name and value != "" and not name.startswith(("trainer/", "ntk/eigenvalues", "ntk/spectrum"))
    }


def by_step(rows: Records) -> dict[int, dict[str, str]]:
    """The metrics of wandb's rows, those of one step together."""
    merged: dict[int, dict[str, str]] = {}
    for row in rows:
        merged.setdefault(row["trainer/global_step"], {}).update(scalars(row))
    return merged


def test_the_newest_part_of_a_resumed_offline_run_is_whole(tmp_path: Path) -> None:
    run, options = RunFolder(tmp_path / "run"), small_options(wandb="offline")
    train_until(12, options, run.path)
    (first,) = (run.path / "wandb").glob("offline-run-*")
    train(options, run.path, resume=True)
    parts = sorted((run.path / "wandb").glob("offline-run-*"))
    assert len(parts) == 2
    # One id: the names are offline-run-TIME-ID, with -1 after it in the same second.
    assert {part.name.split("-")[3] for part in parts} == {first.name.split("-")[3]}
    rows = history(run)
    steps = [row["trainer/global_step"] for row in rows]
    assert steps == sorted(steps)
    assert by_step(rows) == {int(row["step"]): scalars(row) for row in read_rows(run.path)}
    assert [row["trainer/global_step"] for row in rows if "ntk/eigenvalues.values" in row] == [0, 9, 18]


def test_a_run_that_fails_ends_its_part(keyless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So a run after it in the same process has one of its own."""
    with pytest.raises(NonFiniteError):
        train(small_options(wandb="offline", optim=OptimOptions("sgd", lr=1e6)), tmp_path / "bad")
    assert wandb.run is None
    exits = [record["exit"] for record in records(RunFolder(tmp_path / "bad")) if record["type"] == "exit"]
    assert [exit["exit_code"] for exit in exits] == [1]


def test_the_picture_of_a_task_is_an_image(keyless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Drawn after each epoch, at the step that the weights have reached; a task without one logs none."""
    logged: list[tuple[int, list[str]]] = []
    keyless.setattr(
        "lightning.pytorch.loggers.WandbLogger.log_image",
        lambda logger, key, images, step: logged.append((step, [key, *images])),
    )
    picture = {"name": "image_fit", "size": 8, "batch_size": 4}
    train(small_options(model={"name": "mlp", "width": 4}, task=picture, wandb="offline", ntk=OFF), tmp_path / "run")
    path = str(RunFolder(tmp_path / "run").picture)
    assert logged == [(4, ["picture", path]), (8, ["picture", path])]
    train(small_options(wandb="offline", ntk=OFF), tmp_path / "other")
    assert len(logged) == 2
    assert not RunFolder(tmp_path / "other").picture.exists()


@pytest.mark.slow
def test_a_server_that_does_not_answer_does_not_stop_a_run(tmp_path: Path) -> None:
    """Port 9 of this machine is closed: the start fails at once, and the run goes on offline."""
    flags = ("--model.width", "16", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--wandb", "online")
    server = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40}
    output = finish(start_train(*flags, "--out", str(tmp_path / "run"), **server))
    assert "logging offline" in output
    assert RunFolder(tmp_path / "run").summary.is_file()
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_a_start_that_fails_online_goes_offline(keyless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modes: list[str | None] = []

    def init(**kwargs: Any) -> None:
        modes.append(kwargs.get("mode"))
        raise RuntimeError("no network")

    keyless.setattr(wandb, "init", init)
    log = WandbLog(tmp_path, WandbOptions("online"), {})
    with pytest.warns(UserWarning, match="wandb: no network") as warned:
        log.log_metrics({"a": 1.0}, 0)
    assert modes == ["online", "offline"]
    assert len(warned) == 2
    log.log_metrics({"a": 1.0}, 1)
    assert len(modes) == 2


def test_a_failure_in_mid_run_does_not_change_the_run(keyless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    train(small_options(), tmp_path / "without")
    calls = 0

    def log(*_: Any, **__: Any) -> None:
        nonlocal calls
        calls += 1
        raise OSError("the disk of wandb is full")

    keyless.setattr(wandb.Run, "log", log)
    with pytest.warns(UserWarning, match="the disk of wandb is full; it is left out of the rest of this run"):
        train(small_options(wandb="offline"), tmp_path / "with")
    assert calls == 1
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    assert RunFolder(tmp_path / "with").summary.is_file()


def test_the_weights_become_an_artifact_when_online_only(tmp_path: Path) -> None:
    """The server is a stand-in: there is none here."""
    weights = tmp_path / "run" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    for mode, expected in (("online", ["run-weights"]), ("offline", [])):
        artifacts: list[wandb.Artifact] = []
        log = WandbLog(weights.parent, WandbOptions(mode), {})
        log._inner = SimpleNamespace(experiment=SimpleNamespace(log_artifact=artifacts.append))  # type: ignore[assignment]
        log.log_results(tmp_path / "none", weights)
        assert [artifact.name for artifact in artifacts] == expected
        assert all("model.safetensors" in artifact.manifest.entries for artifact in artifacts)
