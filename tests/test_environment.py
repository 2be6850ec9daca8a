"""What a process says of its machine."""

import subprocess
import sys

import pytest
import torch

from hpnets.environment import commit, device_of, environment, short_commit


def test_the_environment_names_versions_device_and_commit() -> None:
    e = environment()
    assert torch.__version__.startswith(e["versions"]["torch"])
    assert e["threads"] == torch.get_num_threads()
    assert e["commit"] == commit()


def test_a_device_is_one_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu") == "cpu"
    with pytest.raises(ValueError, match="device is 'tpu'; allowed here: auto, cpu"):
        device_of("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == device_of("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert (device_of("auto"), device_of("cpu")) == ("cuda:3", "cpu")


def test_a_short_commit_says_that_the_tree_differed() -> None:
    assert short_commit("0123456789+changes") == "0123456+changes"
    assert short_commit("0123456789") == "0123456"
    assert short_commit(None) == "unknown"


def test_neither_needs_torch_to_be_imported() -> None:
    code = "import sys, hpnets.environment, hpnets.statistics; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
