"""The contenders on foreign networks: hpnets, its algorithms one by one, and three peers."""

import copy
import re
import site
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from hpnets.ntk import Outputs, ntk
from recipes.bench.ours.passes import bare_passes
from recipes.bench.peers.torch_func_jacobian import JacobianKernel, Way, best_way
from recipes.bench.proof import OFF, has_proof, verification
from recipes.bench.worker import synchronise
from recipes.checks.reference import contract, loop_jacobian

Compute = Callable[[], Tensor]
Setup = Callable[[nn.Module, Tensor, bool], Compute]
OURS, UNPROVEN = "ntk", "ntk, verify off"
LOOP = "loop"
PEERS = ("vmap(jacrev)", "TorchJD", LOOP)
ALGORITHM = "algorithm "
PASSES = "passes alone"


def contenders() -> dict[str, Setup]:
    """The setups by name, functions of (net, x, whether to trace); the loop comes first, since it is the reference."""
    proven = {OURS: partial(ours, algorithm="auto", verify="")}
    unproven = {UNPROVEN: partial(ours, algorithm="auto", verify=OFF)} if has_proof() else {}
    algorithms = {f"{ALGORITHM}{name}": partial(ours, algorithm=name, verify=OFF) for name in algorithm_names()}
    return {LOOP: loop, **proven, **unproven, "vmap(jacrev)": jacrev, "TorchJD": torchjd, **algorithms}


def algorithm_names() -> list[str]:
    """The exact algorithms that `ntk` allows, without auto."""
    x = torch.zeros(2, 1)
    try:
        ntk(nn.Linear(1, 1), x, outputs="full", algorithm="none")
    except ValueError as error:
        allowed = str(error).partition("allowed:")[2]
        return [name for name in re.findall(r"\w+", allowed) if name not in ("auto", "sketch")]
    raise AssertionError("ntk takes any algorithm")


def ours(net: nn.Module, x: Tensor, trace: bool, algorithm: str, verify: str) -> Compute:
    """A call of `ntk` as a user makes it."""
    outputs: Outputs = "trace" if trace else "full"
    return lambda: ntk(net, x, outputs=outputs, algorithm=algorithm, **verification(verify))


def loop(net: nn.Module, x: Tensor, trace: bool) -> Compute:
    """The loop: a backward pass through the whole batch for each sample and output, then one product."""
    return lambda: contract(loop_jacobian(net, x), trace)


def jacrev(net: nn.Module, x: Tensor, trace: bool) -> Compute:
    """torch.func with its best chunk and better product; attention is unfused, since vmap loops over the fused one."""
    with sdpa_kernel(SDPBackend.MATH):
        kernel = JacobianKernel(net, x, _way(net, x), trace)
    return sdpa_kernel(SDPBackend.MATH)(kernel.__call__)


@cache
def _way(net: nn.Module, x: Tensor) -> Way:
    """The best way, which takes five calls to find and serves the full and the trace kernel."""
    return best_way(net, x)


def torchjd(net: nn.Module, x: Tensor, trace: bool) -> Compute:
    """TorchJD's autogram on a copy, since it hooks modules; it is batched if it takes them so, else unbatched.

    The trace kernel is the faster of two ways: the diagonal blocks of the full kernel, or a Gramian for each output.
    """
    from recipes.bench.peers.torchjd import gramian_kernel, gramian_trace

    def first_that_is_taken(make: Callable[[nn.Module, Tensor, int | None], Compute]) -> Compute:
        try:
            return make(copy.deepcopy(net), x, 0)
        except ValueError:
            return make(copy.deepcopy(net), x, None)

    whole = first_that_is_taken(gramian_kernel)
    if not trace:
        return whole
    ways: list[Compute] = [lambda: whole().diagonal(dim1=2, dim2=3).sum(-1), first_that_is_taken(gramian_trace)]
    return min(ways, key=seconds)


def passes(net: nn.Module, x: Tensor) -> Compute:
    """The passes that every way through autograd makes, one for each output or all in one, whichever is quicker."""
    with sdpa_kernel(SDPBackend.MATH):
        ways = [bare_passes(copy.deepcopy(net), x, batched) for batched in (False, True)]
        quickest = min(ways, key=seconds)
    return sdpa_kernel(SDPBackend.MATH)(quickest)


def seconds(compute: Compute) -> float:
    """The time of one call."""
    start = time.perf_counter()
    synchronise(compute().device.type)
    return time.perf_counter() - start


def find_torchjd(venvs: Path) -> bool:
    """Whether torchjd can be imported; its environment among the peers' comes after this one's packages for that."""
    for place in (venvs / "torchjd").absolute().glob("lib/python*/site-packages"):
        site.addsitedir(str(place))
    return find_spec("torchjd") is not None
