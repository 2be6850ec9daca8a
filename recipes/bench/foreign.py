"""Seconds of hpnets and of three peers on other people's networks, full and trace kernels, A B A B in one process."""

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
    PASSES,
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

NETS = (
    "timm/vit_tiny_patch16_224",
    "timm-small/deit3_small_patch16_224",
    "timm/test_vit2",
    "timm/test_convnext",
    "timm-small/swin_tiny_patch4_window7_224",
    "timm/regnety_002",
    "timm/mobilenetv3_small_050",
    "timm/tinynet_e",
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
    "torchvision/squeezenet1_1",
    "torchvision/shufflenet_v2_x0_5",
    "torch/lstm",
    "torch/transformer_encoder",
)
SELECTIONS = ("full", "trace")
# Relative error against the loop above which a contender computes another kernel; float32.
AGREES = 1e-4
# A call that is shorter comes after an untimed one; one that is longer is timed by its first call.
SHORT, ONCE = 0.1, 4.0
# An algorithm of ours is given up, and is not the best, after so many times the fastest contender's first call; at
# least so many seconds.
HOPELESS, LEAST = 4.0, 1.0


@dataclass(frozen=True)
class Race:
    """What to measure of a network, and how: rounds, seconds that a contender's rounds fit, seconds of a call."""

    net: str
    samples: int
    outputs: int
    repeats: int
    threads: int
    budget: float
    limit: float
    venvs: str


def run_race(race: Race, tell: Tell) -> None:
    """Times of all contenders on one network, told for full, then for trace."""
    warnings.simplefilter("ignore")  # vmap names each operation that it loops over
    limit_threads(race.threads)
    torch.set_num_threads(race.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    net, shape = build(race.net, race.outputs, torch.float32)
    x = torch.randn(race.samples, *shape)
    tell({"parameters": sum(p.numel() for p in net.parameters()), "shape": [race.samples, *shape]})
    find_torchjd(Path(race.venvs))
    tell({PASSES: time_passes(net, x, race)})
    for selection in SELECTIONS:
        tell({selection: run_selection(net, x, selection == "trace", race)})


def time_passes(net: nn.Module, x: Tensor, race: Race) -> Record:
    """Seconds of the passes that every way through autograd makes."""
    try:
        compute = passes(net, x)
        times = [seconds(compute) for _ in range(1 + race.repeats)][1:]
    except Exception as error:
        return {"failed": last_line(error)}
    return {"seconds": times, "median": statistics.median(times)}


def run_selection(net: nn.Module, x: Tensor, trace: bool, race: Race) -> Record:
    """First calls, checked against the loop's, then rounds in turn; by contender {"seconds"} or why there are none."""
    results: Record = {}
    ready: dict[str, Compute] = {}
    right = None
    for name, setup in contenders().items():
        compute, kernel, results[name] = first_call(setup, net, x, trace, patience(name, results, race.limit))
        if name == LOOP:
            right = kernel
        if kernel is None or right is None:
            continue
        error = float((kernel - right).norm() / right.norm())
        results[name]["error"] = error
        if error < AGREES:
            ready[name] = compute
        else:
            results[name]["failed"] = f"computes another kernel, off by {error:.0e}"
    rounds = {name: number_of_rounds(name, results, race) for name in ready}
    for i in range(max(rounds.values(), default=0)):
        for name in (name for name in ready if i < rounds[name]):
            results[name].setdefault("seconds", []).append(timed(ready[name], results[name]["first"]))
    for name in ready:
        results[name].setdefault("seconds", [results[name]["first"]])
        results[name]["median"] = statistics.median(results[name]["seconds"])
    return results


def first_call(
    setup: Setup, net: nn.Module, x: Tensor, trace: bool, limit: float
) -> tuple[Compute, Tensor | None, Record]:
    """The computation, its kernel and its seconds, which are a warm-up's; or why there is none."""
    try:
        with limited(limit):
            compute = setup(net, x, trace)
        with limited(limit):
            start = time.perf_counter()
            kernel = compute().detach().contiguous()
            return compute, kernel, {"first": time.perf_counter() - start}
    except Exception as error:
        return lambda: x, None, {"failed": last_line(error)}


def patience(name: str, results: Record, limit: float) -> float:
    """Seconds after which a first call is given up."""
    firsts = [result["first"] for result in results.values() if "first" in result and "failed" not in result]
    if not name.startswith(ALGORITHM) or not firsts:
        return limit
    return min(limit, max(LEAST, HOPELESS * min(firsts)))


def number_of_rounds(name: str, results: Record, race: Race) -> int:
    """As many calls as fit the budget; none where the first call was long."""
    first = results[name]["first"]
    return 0 if first > ONCE else max(1, min(race.repeats, int(race.budget / first)))


def timed(compute: Compute, expected: float) -> float:
    """Seconds of a call, after an untimed one where calls are short."""
    if expected < SHORT:
        compute()
    start = time.perf_counter()
    compute()
    return time.perf_counter() - start


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """TimeoutError in the block after so many seconds; a single operation of torch is not interrupted."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"stopped after {seconds:.3g} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
