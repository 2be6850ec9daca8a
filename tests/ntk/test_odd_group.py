"""Odd modules' kernels by the ranks of a group: the oracle's on each rank, or a refusal on all, and no hang."""

import json
import os
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, ntk
from tests.ntk.odd_truth import EXACT, REFUSED, inputs, kernel
from tests.ntk.oracle import relative, select
from tests.odd_modules import ODD_MODULES

# (output selection, whether x2 holds other rows, algorithm).
Case = tuple[str, bool, str]
AUTO: list[Case] = [("full", False, "auto"), ("trace", True, "auto")]
MATRIX_FREE: list[Case] = [("full", False, "operator")]
OTHERS: list[Case] = [("full", False, algorithm) for algorithm in ("structured", "jacobian", "ntkvp", "loop")]
ALL = (*EXACT, *REFUSED)
# The kinds in which ranks may find different things.
BY_DATA = [n for n in ALL if ODD_MODULES[n].make.__module__.split(".")[-1] in ("routed", "data_dependent", "coupled")]
# A rank that leaves the others waits for no one, and they for it so long.
PATIENCE = timedelta(seconds=60)


def computed(net: nn.Module, x: Tensor, x2: Tensor | None, outputs: str, algorithm: str) -> Tensor:
    """The kernel by the ranks of all, that of an operator as its product with I."""
    if algorithm != "operator":
        return ntk(net, x, x2, outputs=outputs, algorithm=algorithm, group=dist.group.WORLD)
    operator = NTKOperator(net, x, outputs=outputs, group=dist.group.WORLD)
    k = operator.matmat(torch.eye(len(operator.diagonal()), dtype=torch.float64))
    return k.view(len(x), -1, len(x), k.shape[0] // len(x)).transpose(1, 2)


def outcome(name: str, case: Case) -> str:
    """The answer "exact", "refused" where that is allowed, or what is wrong."""
    outputs, is_other, algorithm = case
    module, (x, others) = ODD_MODULES[name], inputs(name)
    x2 = others if is_other else None
    try:
        result = computed(module.net(), x, x2, outputs, algorithm)
    except ValueError as error:
        ours = module.refuses(algorithm, error) or "another rank refuses" in str(error)
        return "refused" if ours else f"ValueError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    wrong = relative(result, select(kernel(name, is_other), outputs)) if name in EXACT else float("inf")
    return "exact" if wrong <= 1e-10 else f"wrong by {wrong}"


def process(rank: int, world: int, folder: str, names: list[str], cases: list[Case]) -> None:
    """Write the outcomes of a rank."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meet = f"file://{folder}/meet"
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=world, timeout=PATIENCE)
    found = {f"{name}, {case}": outcome(name, case) for name in names for case in cases}
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("world", "names", "cases"),
    [
        pytest.param(2, BY_DATA, AUTO, id="2 ranks"),
        pytest.param(4, ALL, AUTO + MATRIX_FREE, id="4 ranks, some with a lone sample", marks=pytest.mark.slow),
        pytest.param(2, ALL, OTHERS, id="2 ranks, every algorithm", marks=pytest.mark.slow),
    ],
)
def test_ranks_give_the_kernel_or_refuse_together(
    world: int, names: list[str], cases: list[Case], tmp_path: Path
) -> None:
    mp.spawn(process, args=(world, str(tmp_path), names, cases), nprocs=world)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world)]
    assert all(answers == found[0] for answers in found), [a.items() ^ found[0].items() for a in found]
    assert {name: answer for name, answer in found[0].items() if answer not in ("exact", "refused")} == {}
    refused = {name.split(",")[0] for name, answer in found[0].items() if answer == "refused"}
    assert refused >= set(REFUSED).intersection(names)
