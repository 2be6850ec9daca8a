"""A run on n processes equals the run on one: the same kernel track, the same logged keys on each rank."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hpnets.atomic_files import read_tensors
from hpnets.training import RunFolder
from tests.in_process import run_script
from tests.training.ddp_script import NETS, train_all
from tests.training.runs import ROOT, finish, read_rows, start_train

# Whatever draws at random in a step, or changes it.
SOFT: tuple[str, ...] = ("--task.augment", "crop_flip", "--optim.mixup", "0.4", "--optim.label_smoothing", "0.1")
SOFT += ("--optim.clip", "0.5", "--optim.ema", "0.9", "--optim.schedule", "cosine", "--optim.warmup", "0.2")
SCRIPT = Path(__file__).with_name("ddp_script.py")
Ranks = list[dict[str, Any]]
# Of resnet18, whose blocks start closed.
pytestmark = pytest.mark.filterwarnings("ignore:.*zero gradient at the start:UserWarning")


def on_ranks(folder: Path, devices: int) -> dict[str, Ranks]:
    """What each rank wrote of each net; one process is this one."""
    folder.mkdir()
    if devices == 1:
        train_all(folder, 1)
    else:
        command = [sys.executable, str(SCRIPT), str(folder), str(devices)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    return {name: [read(folder / f"{name}{rank}.json") for rank in range(devices)] for name in NETS}


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) | torch.load(file.with_suffix(".pt"))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def one_and_three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Ranks]]:
    """By net, what one process and what each of three wrote: two launches, whatever is asked of them below."""
    folder = tmp_path_factory.mktemp("ranks")
    one, three = on_ranks(folder / "one", 1), on_ranks(folder / "three", 3)
    return {name: (one[name][0], three[name]) for name in NETS}


@pytest.fixture
def of_ccp(one_and_three: dict[str, tuple[dict[str, Any], Ranks]]) -> tuple[dict[str, Any], Ranks]:
    return one_and_three["ccp"]


def test_the_kernel_at_init_is_the_same_on_one_process_and_on_three(of_ccp: tuple[dict[str, Any], Ranks]) -> None:
    one, three = of_ccp
    for rank in three:
        assert relative(rank["first"], one["first"]) < 1e-6
        assert torch.equal(rank["first"], three[0]["first"])


def test_the_track_is_the_same_on_one_process_and_on_three(of_ccp: tuple[dict[str, Any], Ranks]) -> None:
    one, three = of_ccp
    for rank in three:
        assert rank["steps"] == one["steps"] == [0, 6, 12, 18]
        for a, b in zip(rank["metrics"], one["metrics"], strict=True):
            assert a["drift"] == pytest.approx(b["drift"], rel=1e-4)
            assert a["alignment"] == pytest.approx(b["alignment"], rel=1e-4)
        assert rank["weights"] == pytest.approx(one["weights"], rel=1e-4)


def test_the_curvature_is_the_same_on_one_process_and_on_three(of_ccp: tuple[dict[str, Any], Ranks]) -> None:
    one, three = of_ccp
    assert [len(values) for values in one["curvature"]] == [1, 6, 6]
    for rank in three:
        assert rank["curvature"] == three[0]["curvature"]
        for a, b in zip(rank["curvature"], one["curvature"], strict=True):
            assert a == pytest.approx(b, rel=1e-3)


def test_every_rank_logs_the_same_keys_and_values(of_ccp: tuple[dict[str, Any], Ranks]) -> None:
    one, three = of_ccp
    assert "ntk/drift" in one["keys"]
    for rank in three:
        assert rank["keys"] == one["keys"]
        assert rank["metrics"] == three[0]["metrics"]


def test_batch_norm_statistics_do_not_split_the_kernel(
    one_and_three: dict[str, tuple[dict[str, Any], Ranks]],
) -> None:
    """Each rank has its own running statistics until the next forward pass; the kernel must be of one network.

    Before the first step it is that of one process, which estimates statistics on the same inputs.
    """
    one, three = one_and_three["resnet18"]
    for rank in three:
        last = rank["last"]
        assert torch.equal(last, three[0]["last"])
        assert relative(last, last.T) < 1e-5
        assert relative(rank["first"], one["first"]) < 1e-5
        assert rank["estimated"] == one["estimated"] == rank["steps"] == [0, 6, 12, 18]


def test_attacks_are_those_of_one_process(one_and_three: dict[str, tuple[dict[str, Any], Ranks]]) -> None:
    """Each batch comes twice, clean and attacked; the kernel is of attacked probes, the same on every rank."""
    one, three = one_and_three["attacked"]
    assert one["steps"] == list(range(0, 37, 6))
    assert "val/robust_accuracy" in one["keys"]
    for rank in three:
        assert rank["steps"] == one["steps"]
        assert torch.equal(rank["last"], three[0]["last"])
        assert relative(rank["first"], one["first"]) < 1e-5
        assert relative(rank["last"], one["last"]) < 1e-3
        assert rank["weights"] == pytest.approx(one["weights"], rel=1e-3)
        assert rank["robust"] == pytest.approx(one["robust"], abs=0.01)


def test_a_linearised_network_is_that_of_one_process(one_and_three: dict[str, tuple[dict[str, Any], Ranks]]) -> None:
    one, three = one_and_three["linearised"]
    for rank in (one, *three):
        assert [measured["drift"] for measured in rank["metrics"]] == [0.0] * 4
        assert rank["weights"] == pytest.approx(one["weights"], rel=1e-5)
        assert relative(rank["first"], one["first"]) < 1e-6


SMALL: tuple[str, ...] = (
    *("--model.degree", "3", "--model.width", "16", "--task.batch_size", "66", "--wandb", "off"),
    *("--trainer.max_epochs", "2", "--ntk.probe", "20", "--trainer.accelerator", "cpu", *SOFT),
)


def assert_same_law(one: RunFolder, two: RunFolder) -> None:
    """Loss, metrics, kernel and predictions of two runs agree up to the order of sums."""
    one_rows, two_rows = read_rows(one.path), read_rows(two.path)
    assert [sorted(row) for row in one_rows] == [sorted(row) for row in two_rows]
    for a, b in zip(one_rows, two_rows, strict=True):
        for key in ("step", "lr", "train/loss", "ntk/drift", "val/accuracy", "val/loss", "test/accuracy"):
            assert a[key] == b[key] == "" or float(a[key]) == pytest.approx(float(b[key]), rel=1e-4), key
    kernels = [read_tensors(run.kernel)["kernel_first"] for run in (one, two)]
    assert relative(kernels[1], kernels[0]) < 1e-6
    a, b = (read_tensors(run.predictions) for run in (one, two))
    assert torch.equal(a["rows"], b["rows"])
    assert torch.equal(a["targets"], b["targets"])
    assert relative(b["outputs"], a["outputs"]) < 1e-4
    assert one.probe.read_bytes() == two.probe.read_bytes()


def test_the_command_line_trains_on_two_processes(tmp_path: Path) -> None:
    """With augmentation, mixup, a schedule, clipping and averaged weights."""
    assert run_script("train", *SMALL, "--out", str(tmp_path / "one")) == 0
    two = ("--trainer.devices", "2", "--trainer.strategy", "ddp")
    finish(start_train(*SMALL, *two, "--out", str(tmp_path / "two")))
    assert_same_law(RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two"))


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "devices"), [(2, 1), (1, 2)])
def test_torchrun_trains_on_as_many_processes_as_it_starts(tmp_path: Path, nodes: int, devices: int) -> None:
    """Two agents on this machine stand for two nodes; devices and nodes are not given."""
    assert run_script("train", *SMALL, "--out", str(tmp_path / "one")) == 0
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    flags = ["--nnodes", nodes, "--nproc_per_node", devices, "--master_addr", "127.0.0.1", "--master_port", port]
    train = [str(ROOT / "recipes" / "train.py"), *SMALL, "--out", str(tmp_path / "many")]
    agents = [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--node_rank", str(node), *map(str, flags), *train],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for node in range(nodes)
    ]
    for agent in agents:
        finish(agent)
    many = RunFolder(tmp_path / "many")
    assert_same_law(RunFolder(tmp_path / "one"), many)
    assert (many.options().trainer.devices, many.options().trainer.num_nodes) == (devices, nodes)


def test_a_batch_that_the_ranks_cannot_share_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any process is started: a fit would start them."""

    def start(*_: object) -> None:
        raise AssertionError("the run was started")

    monkeypatch.setattr("hpnets.training.run._fit", start)
    flags = ("--trainer.devices", "2", "--trainer.accelerator", "cpu", "--task.batch_size", "63", "--wandb", "off")
    assert run_script("train", *flags, "--out", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert "batch_size is 63; allowed: multiples of 2" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
