"""TorchJD gives the Gramian of its autogram engine, for all outputs of all samples in one call."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchjd.autogram import Engine

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def gramian_kernel(net: nn.Module, x: Tensor, batch_dim: int | None = 0) -> Callable[[], Tensor]:
    """K[n, m, o, p] by `Engine.compute_gramian`; raises ValueError for modules that batch_dim=0 excludes."""
    engine = Engine(net, batch_dim=batch_dim)

    def kernel() -> Tensor:
        y = net(x)
        return engine.compute_gramian(y).unflatten(0, y.shape).unflatten(2, y.shape).transpose(1, 2)

    return kernel


def gramian_trace(net: nn.Module, x: Tensor, batch_dim: int | None = 0) -> Callable[[], Tensor]:
    """The trace kernel (N, N), the sum of a Gramian for each output; each frees its graph, so it is made anew."""
    outputs = net(x[:2]).shape[1]  # this call comes before the engine counts the calls of modules
    engine = Engine(net, batch_dim=batch_dim)
    return lambda: torch.stack([engine.compute_gramian(net(x)[:, o]) for o in range(outputs)]).sum(0)


def setup(job: Job) -> Callable[[], Tensor]:
    return gramian_kernel(*load(job))


if __name__ == "__main__":
    serve(setup, ("torch", "torchjd"))
