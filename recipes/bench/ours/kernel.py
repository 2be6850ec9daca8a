"""hpnets computes the kernel by `hpnets.ntk.ntk`."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from hpnets.ntk import ntk, plan
from recipes.bench.cases import load
from recipes.bench.proof import verification
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """A call of `ntk` as a user makes it."""
    net, x = load(job)
    return lambda: ntk(net, x, outputs=job.outputs, memory=job.memory, **verification(job.verify))


def describe(job: Job, _: Callable[[], Tensor]) -> dict[str, Any]:
    """The predictions of the plan."""
    net, x = load(job)
    p = plan(net, x, outputs=job.outputs, memory=job.memory)
    return {
        "algorithm": p.algorithm,
        "contractions": sorted({parameter.contraction for parameter in p.parameters}),
        "tile": p.tile,
        "flops": p.flops,
        "predicted_bytes": p.peak_bytes + p.kernel_bytes,
        "kernel_bytes": p.kernel_bytes,
    }


if __name__ == "__main__":
    serve(setup, ("torch",), describe)
