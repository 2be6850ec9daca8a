"""What a forward pass and a training pass of a network take: seconds, and the peak of the memory."""

import time
from collections.abc import Callable
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

Pass = Callable[[], None]


def inference(net: nn.Module, x: Tensor) -> None:
    """A forward pass."""
    with torch.inference_mode():
        net(x)


def training(net: nn.Module, x: Tensor) -> None:
    """A forward and a backward pass of the cross-entropy with label 0, after which the gradients are freed."""
    outputs = net(x)
    nn.functional.cross_entropy(outputs.float(), torch.zeros(len(x), dtype=torch.int64, device=x.device)).backward()
    net.zero_grad(set_to_none=True)


PASSES = {"inference": inference, "training": training}


def passes(name: str, nets: list[nn.Module], x: Tensor, dtype: torch.dtype | None) -> list[Pass]:
    """The pass `name` of each net, which is put into its mode; in float32, or in autocast to `dtype`."""
    for net in nets:
        net.train(name == "training")
    return [partial(_under_autocast, partial(PASSES[name], net, x), x.device.type, dtype) for net in nets]


def _under_autocast(call: Pass, device: str, dtype: torch.dtype | None) -> None:
    with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
        call()


def in_turn(calls: list[Pass], repeats: int, device: str) -> list[list[float]]:
    """The seconds of each call in each round, after an untimed one: A B A B."""
    for call in calls:
        seconds(call, device)
    rounds = [[seconds(call, device) for call in calls] for _ in range(repeats)]
    return [list(times) for times in zip(*rounds, strict=True)]


def seconds(call: Pass, device: str) -> float:
    """The seconds of one call."""
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def peak_bytes(call: Pass, device: str) -> int:
    """The most bytes that torch's allocator holds in a call beyond what it held before."""
    if device == "cpu":
        return _cpu_peak(call)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return torch.cuda.max_memory_allocated() - before


def _cpu_peak(call: Pass) -> int:
    # The allocator of CPUs keeps no statistics, but the profiler sees each of its steps.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    assert profiled.profiler is not None
    events = profiled.profiler.kineto_results.events()
    steps = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return max(accumulate(size for _, size in steps), default=0)
