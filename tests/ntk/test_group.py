"""Kernels and products shared by the ranks of a group equal those of one process."""

import os
from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from hpnets.linalg import spectrum
from hpnets.models import create_model
from hpnets.ntk import NTKOperator, ntk, plan
from hpnets.ntk._ring import pairs
from tests.linalg.oracles import small_net
from tests.odd_modules.data_dependent import MixedUnitsLater


@pytest.mark.parametrize("world", range(1, 10))
def test_each_pair_of_blocks_is_contracted_once_and_the_ranks_share_them_evenly(world: int) -> None:
    measured = [[p for step in range(world // 2 + 1) for p in pairs(rank, world, step)] for rank in range(world)]
    once = sorted(tuple(sorted(pair)) for rank in measured for pair in rank)
    assert once == sorted(combinations_with_replacement(range(2 * world), 2))
    assert len({len(rank) for rank in measured}) == 1


class Gated(nn.Module):
    """A raw parameter, which no rule covers, beside layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.gain = nn.Linear(5, 7), nn.Linear(7, 3), nn.Parameter(torch.ones(7))

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)) * self.gain)


def kernels(group: "dist.ProcessGroup | None") -> dict[str, Tensor]:
    """Kernels of several nets, modes and algorithms, of 11 samples: no number of ranks divides them."""
    torch.manual_seed(0)
    image = {"input_shape": (1, 8, 8), "output_dim": 3, "width": 4}
    nets = {
        "ccp": (create_model("ccp", input_shape=(6,), output_dim=3, width=8), torch.randn(11, 6), "20KiB"),
        "conv": (create_model("resnet18", norm="group", **image), torch.randn(11, 1, 8, 8), "2MiB"),
        "gated": (Gated(), torch.randn(11, 5), "20KiB"),
    }
    measured = {}
    for name, (net, x, small) in nets.items():
        net, x = net.double().eval(), x.double()
        for outputs in ("full", "trace", 1):
            measured[f"{name} {outputs}"] = ntk(net, x, outputs=outputs, group=group)
        measured[f"{name} rectangular"] = ntk(net, x, x[:4], outputs="full", group=group)
        measured[f"{name} small memory"] = ntk(net, x, outputs="full", memory=small, group=group)
        if name != "conv":
            measured[f"{name} jacobian"] = ntk(net, x, outputs="full", algorithm="jacobian", group=group)
            measured[f"{name} ntkvp"] = ntk(net, x, outputs="full", algorithm="ntkvp", group=group)
    return {name: k.contiguous() for name, k in measured.items()}


def products(group: "dist.ProcessGroup | None") -> dict[str, Tensor]:
    """Products, diagonals and eigenvalues of the matrix-free kernel, of 11 samples."""
    measured = {}
    for dtype in (torch.float32, torch.float64):
        net, x = small_net(dtype), torch.randn(11, 4, dtype=dtype, generator=torch.Generator().manual_seed(1))
        for outputs in ("full", "trace", "sum", 2):
            operator = NTKOperator(net, x, outputs=outputs, memory="60KiB", group=group)
            v = torch.randn(operator.shape[0], 4, dtype=dtype, generator=torch.Generator().manual_seed(2))
            measured[f"{dtype} {outputs} product"] = operator.matmat(v)
            measured[f"{dtype} {outputs} diagonal"] = operator.diagonal()
        full = NTKOperator(net, x, outputs="full", group=group)
        measured[f"{dtype} eigenvalues"] = spectrum(full, 5).eigenvalues.to(dtype)
    return measured


def process(rank: int, world: int, folder: str) -> None:
    """Each rank's results in the group of all, and in the groups of the last two and the last three."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    with pytest.raises(ValueError, match=f"x has 1 rows; allowed: at least one for each of the {world} ranks"):
        NTKOperator(small_net(), torch.ones(1, 4).double(), outputs="full", group=dist.group.WORLD)
    for first in range(world - 1):
        group = dist.new_group(list(range(first, world))) if first else dist.group.WORLD
        if rank >= first:
            torch.save(kernels(group), f"{folder}/kernels_{world - first}_{rank}.pt")
            torch.save(products(group), f"{folder}/products_{world - first}_{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what four processes computed in groups of two, three and four."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(process, args=(4, str(folder)), nprocs=4)
    return folder


@pytest.mark.parametrize("compute", [kernels, products])
def test_every_rank_of_two_three_and_four_gets_what_one_process_gets(
    of_ranks: Path, compute: Callable[[None], dict[str, Tensor]]
) -> None:
    one, kind = compute(None), compute.__name__
    files = sorted(of_ranks.glob(f"{kind}_*.pt"))
    assert [f.stem for f in files] == [f"{kind}_{world}_{rank}" for world in (2, 3, 4) for rank in range(4 - world, 4)]
    for file in files:
        many = torch.load(file, weights_only=True)
        assert many.keys() == one.keys()
        for name, expected in one.items():
            error = float((many[name] - expected).norm() / expected.norm())
            tolerance = 1e-6 if expected.dtype == torch.float32 else 1e-12 if compute is kernels else 1e-10
            assert error < tolerance, f"{file.stem}, {name}: {error}"


def test_a_plan_takes_no_group_and_no_outputs_beside_it() -> None:
    net, x = nn.Linear(3, 2), torch.randn(4, 3)
    given = plan(net, x, outputs="full")
    with pytest.raises(ValueError, match="plan has outputs and an algorithm of its own"):
        ntk(net, x, plan=given, outputs="trace")
    with pytest.raises(ValueError, match="plan has outputs and an algorithm of its own"):
        ntk(net, x, plan=given, algorithm="jacobian")


def test_a_plan_that_later_samples_contradict_is_refused() -> None:
    torch.manual_seed(0)
    net, x = MixedUnitsLater().double(), -torch.randn(5, 4, dtype=torch.float64).abs()
    given = plan(net, x, outputs="full")
    x[3, 0] *= -1
    with pytest.raises(ValueError, match=r"the plan assumes of a.weight, a.bias what these samples show is not so"):
        ntk(net, x, plan=given)
