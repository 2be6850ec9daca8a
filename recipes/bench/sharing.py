"""Measures what a second process saves: the kernel by a group of two and by one, with a core and a thread each."""

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from hpnets.ntk import Outputs, ntk
from hpnets.statistics import median
from recipes.bench.cases import CASES

SIZES = {
    "mlp": (128, 256, 512, 1024, 2048),
    "ccp": (128, 256, 512, 1024, 2048),
    "conv": (16, 32, 64, 128, 256),
    "resnet18": (4, 8, 16, 32),
}
SELECTIONS: tuple[Outputs, ...] = ("full", "trace")
# The target: from LARGE samples on, two processes take at most this share of the time of one.
TARGET, LARGE = 0.6, 1000
ABOUT = f"""\
`ntk(net, x, outputs=..., group=..., verify="off")` by a gloo group of one process and of two on one machine, each
pinned to a core of its own with one thread, in turn; of each start the least of three calls after a warm-up. Each
process gets the whole kernel: one of N samples and 10 outputs has 400 N^2 bytes, of which each process sends the other
one 5 of 16 blocks and writes all. Shown is the median (least - greatest) over the starts; "apart" is the relative
Frobenius norm of the difference of the two kernels. The target is a ratio of at most {TARGET} from {LARGE} samples on;
of a network whose sizes here are smaller it is asked of the largest."""


def run_sharing(cases: list[str], folder: Path, repeats: int, quick: bool) -> dict[str, Any]:
    """What was measured by case and output selection; processes are started anew in each round, A B A B."""
    results: dict[str, Any] = {}
    for name in cases:
        sizes = (CASES[name].quick,) if quick else SIZES[name]
        rounds: list[dict[str, Any]] = []
        for round_ in range(repeats):
            both = {}
            for world in (1, 2):
                here = folder / f"{name}-{round_}-{world}"
                here.mkdir(parents=True)
                mp.spawn(process, args=(world, name, sizes, str(here)), nprocs=world)
                both[str(world)] = json.loads((here / "measured.json").read_text())
            rounds.append(both)
        for selection in SELECTIONS:
            points = [point(rounds, f"{selection} {n}", n) for n in sizes]
            results[f"{name} {selection}"] = {"title": CASES[name].title, "outputs": selection, "points": points}
    return results


def point(rounds: list[dict[str, Any]], key: str, samples: int) -> dict[str, Any]:
    """The seconds of each round by the number of processes, their ratio, and how far apart the kernels were at most."""
    seconds = {world: [both[world][key]["seconds"] for both in rounds] for world in ("1", "2")}
    ratio = median(seconds["2"]) / median(seconds["1"])
    apart = max(both["2"][key]["apart"] for both in rounds)
    return {"samples": samples, "seconds": seconds, "ratio": ratio, "relative_difference": apart}


def process(rank: int, world: int, name: str, sizes: tuple[int, ...], folder: str) -> None:
    """Run one rank, pinned to a core; rank 0 writes what it measured, by output selection and samples."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    torch.manual_seed(0)
    net = CASES[name].build().eval()
    inputs = [torch.randn(n, *CASES[name].shape) for n in sizes]
    measured = {f"{selection} {len(x)}": measure(net, x, selection) for x in inputs for selection in SELECTIONS}
    if rank == 0:
        Path(folder, "measured.json").write_text(json.dumps(measured))
    dist.destroy_process_group()


def measure(net: nn.Module, x: Tensor, selection: Outputs) -> dict[str, float]:
    """The least seconds of three calls, timed between barriers, and how far the kernel is from that of one process."""
    times = []
    for _ in range(4):
        dist.barrier()
        start = time.perf_counter()
        kernel = ntk(net, x, outputs=selection, group=dist.group.WORLD, verify="off")
        dist.barrier()
        times.append(time.perf_counter() - start)
    alone = ntk(net, x, outputs=selection, verify="off")
    return {"seconds": min(times[1:]), "apart": float(alone.sub_(kernel).norm() / kernel.norm())}


def sharing_table(measured: dict[str, Any]) -> str:
    """A table of targets and of the samples from which a second process pays, and one of the seconds."""
    targets = ["| case | outputs | quicker from N = | target |", "| --- | --- | --- | --- |"]
    lines = ["| case | outputs | N | one process, s | two processes, s | ratio | apart |", "| --- " * 7 + "|"]
    for case in measured.values():
        title, outputs, points = case["title"].split(", N=")[0], case["outputs"], case["points"]
        targets.append(f"| {title} | {outputs} | {crossing(points)} | {verdict(points)} |")
        for p in points:
            seconds = " | ".join(f"{median(s):.3g} ({min(s):.3g} - {max(s):.3g})" for s in p["seconds"].values())
            ratio, apart = f"{p['ratio']:.2f}", f"{p['relative_difference']:.1e}"
            lines.append(f"| {title} | {outputs} | {p['samples']} | {seconds} | {ratio} | {apart} |")
    return "\n".join([*targets, "", *lines])


def crossing(points: list[dict[str, Any]]) -> str:
    """The least size from which on two processes are quicker than one."""
    slower = [i for i, p in enumerate(points) if p["ratio"] >= 1]
    first = slower[-1] + 1 if slower else 0
    return str(points[first]["samples"]) if first < len(points) else "none of these"


def verdict(points: list[dict[str, Any]]) -> str:
    """The greatest ratio of those that the target is asked of, and whether it is met."""
    large = [p for p in points if p["samples"] >= LARGE] or points[-1:]
    worst = max(large, key=lambda p: float(p["ratio"]))
    met = "met" if worst["ratio"] <= TARGET else "**missed**"
    return f"{worst['ratio']:.2f} at {worst['samples']} (<= {TARGET}, {met})"
