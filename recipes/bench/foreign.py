"""Times hpnets and three peers on other people's networks, full and trace kernels, A B A B in one process."""

import copy
import functools
import signal
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recipes.bench.contenders import (
    ALGORITHM,
    LOOP,
    OURS,
    PASSES,
    PEERS,
    UNPROVEN,
    Compute,
    Setup,
    contenders,
    find_torchjd,
    passes,
    seconds,
)
from recipes.bench.worker import limit_threads
from recipes.checks.networks import build
from recipes.checks.processes import Record, Tell, last_line

# Small networks as timm and torchvision publish them, and two of torch's layers in published sizes: a Jacobian of 120
# rows of all parameters, as the peers hold it, fits the memory; of networks of more than MANY parameters, one of 60.
MANY = 15_000_000
PUBLISHED = (
    "timm/vit_tiny_patch16_224",
    "timm/convnext_atto",
    "timm/regnety_002",
    "timm/mobilenetv3_small_050",
    "timm/tinynet_e",
    "timm/efficientnet_b0",
    "timm/nf_regnet_b0",
    "timm/gernet_s",
    "timm/gmlp_ti16_224",
    "timm/botnet26t_256",
    "timm/resnet18",
    "torchvision/densenet121",
    "torchvision/squeezenet1_1",
    "torchvision/shufflenet_v2_x0_5",
    "timm/swin_tiny_patch4_window7_224",
    "timm/mixer_s32_224",
    "timm/resmlp_12_224",
    "timm/coatnet_pico_rw_224",
    "torch/lstm_650",
    "torch/transformer_encoder_base",
)
# Networks with fewer or narrower layers, timm's own ones for tests among them, and two of torch's layers.
CUT_DOWN = (
    "timm-small/deit3_small_patch16_224",
    "timm/test_vit2",
    "timm/test_convnext",
    "timm-small/swin_tiny_patch4_window7_224",
    "timm/test_nfnet",
    "timm/test_byobnet",
    "timm-small/mixer",
    "timm-small/resmlp",
    "timm-small/botnet",
    "timm-small/halonet",
    "timm/test_coatnet",
    "timm-small/sequencer2d_s",
    "timm/test_resnet",
    "torchvision-small/densenet",
    "torch/lstm",
    "torch/transformer_encoder",
)
NETS = (*PUBLISHED, *CUT_DOWN)
SELECTIONS = ("full", "trace")
IN_TURN = "full and trace in turn"
# A contender computes another kernel if its relative error against the float32 loop is above this. Where it is,
# both are held against the loop in float64, and the contender may be off by so many times the float32 loop's own error.
AGREES, ROUNDING = 1e-4, 2.0
# A call shorter than SHORT seconds comes after an untimed one, since a call after another contender's pays for memory
# that the other gave back; one longer than LONG is timed by its second call alone, since a first one also pays for
# memory, and by its first if that takes longer than ONCE.
SHORT, LONG, ONCE = 1.0, 4.0, 20.0
# One of our algorithms is given up, since it is not the best, after HOPELESS times the fastest contender's first call,
# but not before LEAST seconds.
HOPELESS, LEAST = 4.0, 1.0
# A peer's search for its best way makes about so many calls, and is given the time of as many.
SEARCH = 6
# Rounds are made of what may be the fastest: a peer whose second call took at most RIVAL times the fastest peer's, and
# one of our algorithms by the same rule. Each of these makes at least ROUNDS of them, since a machine varies.
RIVAL, ROUNDS = 2.0, 5


@dataclass(frozen=True)
class Race:
    """A network and how to measure it.

    repeats: the most rounds. budget: seconds that rounds beyond ROUNDS may take. limit: seconds that a call may take.
    """

    net: str
    samples: int
    outputs: int
    repeats: int
    threads: int
    budget: float
    limit: float
    venvs: str


def run_race(race: Race, tell: Tell) -> None:
    """Time all contenders on one network, and tell the results for full, then for trace."""
    warnings.simplefilter("ignore")  # vmap warns of each operation that it loops over
    limit_threads(race.threads)
    torch.set_num_threads(race.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    net, shape = build(race.net, race.outputs, torch.float32)
    parameters = sum(p.numel() for p in net.parameters())
    x = torch.randn(number_of_samples(parameters, race), *shape)
    tell({"parameters": parameters, "shape": [*x.shape]})
    find_torchjd(Path(race.venvs))
    tell({PASSES: time_passes(net, x, race)})
    for selection in SELECTIONS:
        tell({selection: run_selection(net, x, selection == "trace", race)})
    tell({IN_TURN: time_in_turn(net, x, race)})


def number_of_samples(parameters: int, race: Race) -> int:
    """The samples of a network of so many parameters: half of the race's, but two, if they are many."""
    return max(2, race.samples // 2) if parameters > MANY else race.samples


def time_passes(net: nn.Module, x: Tensor, race: Race) -> Record:
    """The seconds of the passes that every way through autograd makes."""
    try:
        compute = passes(net, x)
        times = [seconds(compute) for _ in range(1 + race.repeats)][1:]
    except Exception as error:
        return {"failed": last_line(error)}
    return {"seconds": times, "median": statistics.median(times)}


def time_in_turn(net: nn.Module, x: Tensor, race: Race) -> Record:
    """The seconds of our full and trace kernels without the proof, called in turn since a machine varies."""
    computes = {selection: contenders()[UNPROVEN](net, x, selection == "trace") for selection in SELECTIONS}
    for compute in computes.values():
        compute()
    again = {selection: seconds(compute) for selection, compute in computes.items()}
    rounds = number_of_rounds(max(again.values()), race)
    times = [[timed(computes[selection], again[selection]) for selection in SELECTIONS] for _ in range(rounds)]
    return {selection: list(column) for selection, column in zip(SELECTIONS, zip(*times, strict=True), strict=True)}


def run_selection(net: nn.Module, x: Tensor, trace: bool, race: Race) -> Record:
    """Make first calls, which are checked against the loop's, then rounds in turn.

    Returns by contender {"seconds", ...}, or {"failed"} with the reason.
    """
    results: Record = {}
    ready: dict[str, Compute] = {}
    right = None

    @functools.cache
    def exact() -> Tensor:
        return contenders()[LOOP](copy.deepcopy(net).double(), x.double(), trace)()

    for name, setup in contenders().items():
        compute, kernel, results[name] = first_call(setup, net, x, trace, patience(name, results, race.limit))
        if name == LOOP:
            right = kernel
        if kernel is None or right is None:
            continue
        results[name]["error"] = relative(kernel, right)
        if results[name]["error"] < AGREES or is_rounding(kernel, right, exact, results[name]):
            ready[name] = compute
        else:
            results[name]["failed"] = f"computes another kernel, off by {results[name]['error']:.0e}"
    for name in ready:
        results[name]["again"] = results[name]["first"] if results[name]["first"] > ONCE else seconds(ready[name])
    again = {name: results[name]["again"] for name in ready}
    rounds = {name: number_of_rounds(again[name], race) if is_rival(name, again) else 1 for name in ready}
    rounds |= {name: 0 for name in ready if again[name] > LONG}
    for i in range(max(rounds.values(), default=0)):
        for name in (name for name in ready if i < rounds[name]):
            results[name].setdefault("seconds", []).append(timed(ready[name], again[name]))
    for name in ready:
        results[name].setdefault("seconds", [again[name]])
        results[name]["median"] = statistics.median(results[name]["seconds"])
    return results


def relative(kernel: Tensor, truth: Tensor) -> float:
    """|kernel - truth| / |truth|."""
    return float((kernel - truth).norm() / truth.norm())


def is_rounding(kernel: Tensor, right: Tensor, exact: Callable[[], Tensor], result: Record) -> bool:
    """Whether the kernel is as near to `exact` as the float32 loop's, `right`, is; notes its error.

    exact: gives the loop's kernel in float64, and computes it once.
    """
    result["error"] = relative(kernel, exact())
    return result["error"] < max(AGREES, ROUNDING * relative(right, exact()))


def first_call(
    setup: Setup, net: nn.Module, x: Tensor, trace: bool, limit: float
) -> tuple[Compute, Tensor | None, Record]:
    """The computation, the kernel of its first call and that call's seconds; or None and the reason for the failure."""
    try:
        with limited(SEARCH * limit):
            compute = setup(net, x, trace)
        with limited(limit):
            start = time.perf_counter()
            kernel = compute().detach().contiguous()
            return compute, kernel, {"first": time.perf_counter() - start}
    except Exception as error:
        return lambda: x, None, {"failed": last_line(error)}


def patience(name: str, results: Record, limit: float) -> float:
    """The seconds after which a first call is given up."""
    firsts = [result["first"] for result in results.values() if "first" in result and "failed" not in result]
    if not name.startswith(ALGORITHM) or not firsts:
        return limit
    return min(limit, max(LEAST, HOPELESS * min(firsts)))


def is_rival(name: str, again: dict[str, float]) -> bool:
    """Whether a contender is `ntk` itself or may be the fastest of its field, by the seconds of the second calls."""
    field = PEERS if name in PEERS else [other for other in again if other.startswith(ALGORITHM)]
    return name in (OURS, UNPROVEN) or again[name] <= RIVAL * min(again[other] for other in field if other in again)


def number_of_rounds(again: float, race: Race) -> int:
    """How many calls of so many seconds fit the budget, at least ROUNDS, at most `repeats`."""
    return min(race.repeats, max(ROUNDS, int(race.budget / again)))


def timed(compute: Compute, expected: float) -> float:
    """The seconds of a call, which comes after an untimed one if calls are short."""
    if expected < SHORT:
        compute()
    return seconds(compute)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so many seconds; a single operation of torch is not interrupted."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"stopped after {seconds:.3g} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        # A call that is stopped while it leaves a level of torch.func leaves it on the stack.
        torch._C._functorch.pop_dynamic_layer_stack_and_undo_to_depth(0)
