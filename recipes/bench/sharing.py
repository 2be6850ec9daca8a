"""Measures what a second process saves: the kernel by a group of two and by one, with a core and a thread each."""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from hpnets.ntk import ntk
from recipes.bench.cases import CASES

ABOUT = (
    "`ntk(net, x, outputs='full', group=...)` by a gloo group of one process and of two on one machine, each pinned to "
    "a core of its own with one thread, in turn; of each start the least of three calls after a warm-up. Shown is "
    "the median (least - greatest) over the starts."
)


def run_sharing(cases: list[str], folder: Path, repeats: int, quick: bool) -> dict[str, Any]:
    """The seconds of one process and of two, A B A B, and the difference of their kernels, by case."""
    return {name: run_one(name, folder / name, repeats, quick) for name in cases}


def run_one(name: str, folder: Path, repeats: int, quick: bool) -> dict[str, Any]:
    """The results of one case; processes are started once a round, and their first call is a warm-up."""
    seconds: dict[str, list[float]] = {"1": [], "2": []}
    for round_ in range(repeats):
        for world in (1, 2):
            here = folder / f"{round_}-{world}"
            here.mkdir(parents=True)
            mp.spawn(process, args=(world, name, str(here), quick), nprocs=world)
            seconds[str(world)].append(json.loads((here / "seconds.json").read_text()))
    kernels = [torch.load(folder / f"0-{world}" / "kernel.pt", weights_only=True) for world in (1, 2)]
    ratio = statistics.median(seconds["2"]) / statistics.median(seconds["1"])
    apart = float((kernels[1] - kernels[0]).norm() / kernels[0].norm())
    return {"title": CASES[name].title, "seconds": seconds, "ratio": ratio, "relative_difference": apart}


def process(rank: int, world: int, name: str, folder: str, quick: bool) -> None:
    """Run one rank, pinned to a core; rank 0 writes the least seconds of three calls, timed between barriers."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    torch.manual_seed(0)
    case = CASES[name]
    net, x = case.build().eval(), torch.randn(case.quick if quick else case.samples, *case.shape)
    times = []
    for _ in range(4):
        dist.barrier()
        start = time.perf_counter()
        kernel = ntk(net, x, outputs="full", group=dist.group.WORLD)
        dist.barrier()
        times.append(time.perf_counter() - start)
    if rank == 0:
        Path(folder, "seconds.json").write_text(json.dumps(min(times[1:])))
        torch.save(kernel.contiguous(), Path(folder, "kernel.pt"))
    dist.destroy_process_group()


def sharing_table(measured: dict[str, Any]) -> str:
    """A table of the median (least - greatest) seconds, the ratio, and the difference of the kernels."""
    lines = ["| case | one process, s | two processes, s | ratio | kernels apart |", "| --- | --- | --- | --- | --- |"]
    for case in measured.values():
        one, two = (f"{statistics.median(s):.3g} ({min(s):.3g} - {max(s):.3g})" for s in case["seconds"].values())
        lines.append(f"| {case['title']} | {one} | {two} | {case['ratio']:.2f} | {case['relative_difference']:.1e} |")
    return "\n".join(lines)
