"""hpnets' time for a full kernel, by stage of the structured algorithm and by kind of operation."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from hpnets.ntk import stage_seconds
from recipes.bench.cases import load
from recipes.bench.stages import KINDS, STAGES
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """Seconds (2, 4): the first row is of the STAGES, padded with 0, the second of the KINDS, under the profiler."""
    net, x = load(job)

    def stages() -> list[float]:
        return list(stage_seconds(net, x, outputs=job.outputs, memory=job.memory).values())

    def compute() -> Tensor:
        seconds = stages()
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            stages()
        kinds = dict.fromkeys(KINDS, 0.0)
        for event in profiled.key_averages():
            kinds[kind_of(event.key)] += event.self_cpu_time_total / 1e6
        return torch.tensor([seconds + [0.0] * (len(KINDS) - len(STAGES)), list(kinds.values())])

    return compute


def kind_of(name: str) -> str:
    """The kind of an operation by its name in the profile."""
    if name in ("aten::mm", "aten::bmm", "aten::addmm", "aten::addmm_", "aten::baddbmm"):
        return "products"
    if "conv" in name:
        return "convolutions"
    return "copies" if name in ("aten::copy_", "aten::cat", "aten::fill_") else "rest"


if __name__ == "__main__":
    serve(setup, ("torch",))
