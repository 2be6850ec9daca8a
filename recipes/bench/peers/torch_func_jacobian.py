"""torch.func gives the Jacobian by vmap of jacrev, in the chunks and with the product that are fastest here."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve, synchronise

CHUNKS = (2, 8, 32)
# A way is tried on this many samples: a batch of 32 samples and 10 outputs fills every machine that we know.
TRIAL = 32


@dataclass(frozen=True)
class Way:
    """A way to make the kernel.

    chunk: samples differentiated at once. one_product: one product of the whole Jacobian, or one for each parameter,
    which needs no copy.
    """

    chunk: int
    one_product: bool


@dataclass(frozen=True)
class JacobianKernel:
    """K[n, m, o, p], the sum over parameters of J[n, o, :] J[m, p, :]; with `trace`, its sum over o = p."""

    net: nn.Module
    x: Tensor
    way: Way
    trace: bool = False

    def __call__(self) -> Tensor:
        params = {name: p.detach() for name, p in self.net.named_parameters()}

        def f(params: dict[str, Tensor], xi: Tensor) -> Tensor:
            return functional_call(self.net, params, (xi[None],))[0]

        jacobian = vmap(jacrev(f), (None, 0))
        chunks = ([j.flatten(2) for j in jacobian(params, part).values()] for part in self.x.split(self.way.chunk))
        if self.way.one_product:
            return self._product(self._in_one(chunks))
        parts = [self._product(torch.cat(parts)) for parts in zip(*chunks, strict=True)]
        return torch.stack(parts).sum(0)

    def _in_one(self, chunks: Iterator[list[Tensor]]) -> Tensor:
        """J (N, O, P); every chunk goes directly to its place, so that the Jacobian is never held twice."""
        parts = next(chunks)
        whole = self.x.new_empty(len(self.x), parts[0].shape[1], sum(part.shape[2] for part in parts))
        for place, chunk in zip(whole.split(self.way.chunk), chain([parts], chunks), strict=True):
            torch.cat(chunk, dim=2, out=place)
        return whole

    def _product(self, j: Tensor) -> Tensor:
        if self.trace:
            return j.flatten(1) @ j.flatten(1).T
        rows = j.flatten(0, 1)
        return (rows @ rows.T).unflatten(0, j.shape[:2]).unflatten(2, j.shape[:2]).transpose(1, 2)


def best_way(net: nn.Module, x: Tensor, trace: bool = False) -> Way:
    """The fastest chunk, then the faster product with it, by one call each on 32 samples, after one call on two."""
    trial = x[:TRIAL]
    JacobianKernel(net, trial[:2], Way(2, True), trace)()
    chunks = sorted({min(chunk, len(trial)) for chunk in CHUNKS})
    chunk = min(chunks, key=lambda c: seconds(JacobianKernel(net, trial, Way(c, True), trace)))
    ways = [Way(chunk, True), Way(chunk, False)]
    return min(ways, key=lambda way: seconds(JacobianKernel(net, trial, way, trace)))


def seconds(compute: Callable[[], Tensor]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    synchronise(compute().device.type)
    return time.perf_counter() - start


def setup(job: Job) -> JacobianKernel:
    net, x = load(job)
    return JacobianKernel(net, x, best_way(net, x))


def describe(job: Job, kernel: Callable[[], Tensor]) -> dict[str, Any]:
    """The way that was the fastest."""
    assert isinstance(kernel, JacobianKernel)
    return asdict(kernel.way)


if __name__ == "__main__":
    serve(setup, ("torch",), describe)
