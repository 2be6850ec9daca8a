"""What the proof of one output is held to: a plain forward pass, or a plain backward pass to the weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """A pass over all samples in one batch, whose direction is `job.outputs`: "forward" or "backward"."""
    net, x = load(job)
    if job.outputs == "forward":
        return lambda: net(x)
    y, weights = net(x), [*net.parameters()]
    seeds = torch.ones_like(y)
    return lambda: torch.autograd.grad(y, weights, seeds, retain_graph=True)[0]


if __name__ == "__main__":
    serve(setup, ("torch",))
