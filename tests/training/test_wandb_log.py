"""wandb: modes, and failures that must not stop a run."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from hpnets.options import NTKOptions
from hpnets.training import RunFolder, train
from hpnets.training.wandb_log import WandbLog, resolve_mode
from tests.training.runs import finish, small_options, start_train

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
    log = WandbLog(tmp_path, "online", {})
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
        log = WandbLog(weights.parent, mode, {})
        log._inner = SimpleNamespace(experiment=SimpleNamespace(log_artifact=artifacts.append))  # type: ignore[assignment]
        log.log_results(tmp_path / "none", weights)
        assert [artifact.name for artifact in artifacts] == expected
        assert all("model.safetensors" in artifact.manifest.entries for artifact in artifacts)
