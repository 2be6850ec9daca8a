"""hpnets: where the time of a full kernel goes, by stage of the structured algorithm and by kind of operation."""

import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from hpnets.ntk.functional import undisturbed
from hpnets.ntk.planning import plan
from hpnets.ntk.structured import contract, factors
from recipes.bench.cases import load
from recipes.bench.stages import KINDS, STAGES
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    """Seconds (2, 4): of the STAGES, the last left 0, and of the KINDS under the profiler."""
    net, x = load(job)

    def stages() -> list[float]:
        marks = [time.perf_counter()]
        made = plan(net, x, outputs=job.outputs, memory=job.memory)
        assert not made.rest, "stages are those of layers with rules"
        assert made.tile >= len(x), "stages are those of a kernel of one tile"
        marks.append(time.perf_counter())
        with undisturbed(net, x.device):
            params = {name: p.detach() for name, p in net.named_parameters()}
            found = factors(net, params, x, made.mode, made.terms, made.schedule)
            marks.append(time.perf_counter())
            C = made.mode.columns
            contract(x.new_empty(C, len(x), C, len(x)), made.terms, found, found, True)
            marks.append(time.perf_counter())
        return [b - a for a, b in pairwise(marks)]

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
