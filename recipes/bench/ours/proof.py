"""The kernel without and with its proof, and the passes that the proof is held to, in turn in one process."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from hpnets.ntk import ntk
from recipes.bench.cases import load
from recipes.bench.worker import Job, serve

# The rounds take about so many seconds; there are at least and at most so many.
SECONDS, LEAST, MOST = 20.0, 5, 60


def setup(job: Job) -> Callable[[], Tensor]:
    """Seconds (rounds, 4): of the kernel without the proof, with it, a forward pass and a backward pass to the weights.

    The passes are over all samples in one batch. Each call comes after an untimed one.
    """
    net, x = load(job)
    y, weights = net(x), [*net.parameters()]
    seeds = torch.ones_like(y)
    calls: list[Callable[[], object]] = [
        lambda: ntk(net, x, outputs=job.outputs, memory=job.memory, verify="off"),
        lambda: ntk(net, x, outputs=job.outputs, memory=job.memory),
        lambda: net(x),
        lambda: torch.autograd.grad(y, weights, seeds, retain_graph=True),
    ]

    def compute() -> Tensor:
        first = sum(seconds(call) for call in calls)
        rounds = min(MOST, max(LEAST, int(SECONDS / (2 * first))))
        return torch.tensor([[seconds(call) for call in calls] for _ in range(rounds)])

    return compute


def seconds(call: Callable[[], object]) -> float:
    """The seconds of a call after another one."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    serve(setup, ("torch",), warm=False)
