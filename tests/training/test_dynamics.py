"""Frozen kernels: a linearised network trained from the weights of a run, with and without the outputs it has there."""

from pathlib import Path

import pytest
import torch
from torch import nn

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.training import RunFolder, load_run, train
from hpnets.training.dynamics import underlying, with_dynamics
from hpnets.training.lit import make_optimizer
from tests.training.runs import assert_same_run, read_rows, small_options, train_until

RESNET = {"name": "resnet18", "width": 4, "blocks": [1, 1]}
FROZEN = ("linearised", "centred")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of a net with BatchNorm, whose statistics no longer remember their start."""
    folder = RunFolder(tmp_path_factory.mktemp("source") / "run")
    train(small_options(model=RESNET, ntk=NTKOptions(every="off", probe=10)), folder.path)
    return folder


def frozen(source: RunFolder, dynamics: str, **changes: object) -> RunOptions:
    """A run on the frozen kernel of `source`, saved in mid-epoch."""
    trainer = TrainerOptions(max_epochs=1, accelerator="cpu", save_every=2)
    given = {"model": RESNET, "init_from": str(source.path), "dynamics": dynamics, "trainer": trainer}
    return small_options(ntk=NTKOptions(probe=10, every=4), **{**given, **changes})


@pytest.mark.parametrize("dynamics", FROZEN)
def test_the_kernel_and_the_statistics_stay_and_the_function_moves(
    source: RunFolder, dynamics: str, tmp_path: Path
) -> None:
    """A run that is cut in mid-epoch and resumed is the whole one, bit for bit, though its source is gone."""
    folder, before = RunFolder(tmp_path / "whole"), read_tensors(source.weights)
    train(frozen(source, dynamics), folder.path)
    rows = [row for row in read_rows(folder.path) if row["ntk/drift"]]
    assert [row["step"] for row in rows] == ["0", "4", "8", "9"]
    assert {row["ntk/drift"] for row in rows} == {"0.0"}
    net, task, summary = load_run(folder.path)
    start, _, of_source = load_run(source.path)
    assert all(torch.equal(value, before[name]) for name, value in underlying(net).state_dict().items())
    assert summary["parameters"] == of_source["parameters"]
    x = task.probe(10).x
    torch.testing.assert_close(read_tensors(folder.kernel)["kernel_last"], ntk(start, x, outputs="trace"))
    with torch.no_grad():
        moved = net(x) - start(x) * (dynamics == "linearised")
    assert float(moved.abs().max()) > 0.01
    train_until(5, frozen(source, dynamics), tmp_path / "cut")
    elsewhere = source.path.rename(tmp_path / "elsewhere")
    train(frozen(source, dynamics), tmp_path / "cut", resume=True)
    elsewhere.rename(source.path)
    assert_same_run(folder.path, tmp_path / "cut")


def test_a_linearised_network_is_the_sum_of_the_network_and_the_centred_one() -> None:
    torch.manual_seed(0)
    net = create_model("ccp", input_shape=(6,), output_dim=3, width=8).eval()
    linearised, centred = (with_dynamics(net, name) for name in FROZEN)
    x = torch.randn(5, 6)
    assert torch.equal(linearised(x), net(x))
    assert torch.equal(centred(x), torch.zeros(5, 3))
    deltas = [nn.utils.parameters_to_vector(f.delta.parameters()) for f in (linearised, centred)]
    assert not any(d.any() for d in deltas)
    moved = torch.randn(len(deltas[0]))
    for f in (linearised, centred):
        nn.utils.vector_to_parameters(moved, f.delta.parameters())
    torch.testing.assert_close(linearised(x), net(x) + centred(x))
    assert with_dynamics(net, "network") is net


def test_each_part_has_the_rate_of_its_parameter() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=1, width=64, parametrisation="mup", base_width=8)
    made = with_dynamics(net, "linearised")
    rates = [
        {
            p: group["lr"]
            for group in make_optimizer(n, OptimOptions("adam", 1e-3)).param_groups
            for p in group["params"]
        }
        for n in (net, made)
    ]
    named = zip(made.names, made.delta, strict=True)
    assert {name: rates[1][d] for name, d in named} == {name: rates[0][p] for name, p in net.named_parameters()}
    assert len(set(rates[0].values())) > 1
