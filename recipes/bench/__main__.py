"""Measure hpnets against its peers on this machine: python -m recipes.bench ntk"""

import os
import tempfile
from pathlib import Path
from typing import Literal

from hpnets.commands.parser import run_command
from hpnets.environment import device_of
from recipes.bench.choices import names
from recipes.bench.engine import NETWORKS, ntk
from recipes.command_line import command_of

FOREIGN = "docs/results/foreign"


def foreign(
    out: str = FOREIGN,
    nets: str = "all",
    venvs: str = ".venvs",
    repeats: int = 21,
    threads: int = 2,
    budget: float = 2.0,
    limit: float = 60.0,
    quick: bool = False,
    again: bool = False,
) -> None:
    """Time ntk, torch.func, TorchJD and a loop of autograd on other people's networks, full and trace, A B A B.

    Args:
        out: folder of <device>.json and README.md; networks that it holds of this commit are not measured again
        nets: all, or names parted by commas, as in recipes/bench/foreign.py
        venvs: folder of the peers' virtual environments; TorchJD is taken from there, with this Python's torch
        repeats: the most rounds
        threads: how many cores the process is bound to
        budget: seconds that a contender's rounds beyond the fifth may take
        limit: seconds after which a call is given up
        quick: try the command with 2 samples, 2 outputs and one round; another --out must be given
        again: also measure networks that the json holds of this commit
    """
    from recipes.bench.foreign import NETS, Race
    from recipes.bench.foreign_run import run_foreign

    chosen = list(NETS) if nets == "all" else names("network", nets, NETS)
    if quick and Path(out) == Path(FOREIGN):
        raise ValueError(f"--quick measures nothing that belongs in {FOREIGN}: give another --out")
    if min(repeats, threads) < 1:
        raise ValueError(f"repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    size = {"samples": 2, "outputs": 2, "repeats": 1} if quick else {"samples": 12, "outputs": 10, "repeats": repeats}
    races = [Race(net=net, threads=threads, budget=budget, limit=limit, venvs=venvs, **size) for net in chosen]
    print(run_foreign(races, Path(out), command_of("recipes.bench"), again))


def calibrate(out: str = "docs/results/calibration", threads: int = 2, quick: bool = False) -> None:
    """Measure the rates and overheads that the engine's cost model uses; write json and a page.

    Args:
        out: folder of <device>.json and README.md
        threads: how many cores the process is bound to
        quick: try the command with small sizes; another --out must be given
    """
    from recipes.bench.calibrate import ABOUT, calibration, calibration_table
    from recipes.bench.pages import write_page

    if quick and Path(out) == Path("docs/results/calibration"):
        raise ValueError(f"--quick measures nothing that belongs in {out}: give another --out")
    results = calibration(threads, quick)
    write_page(Path(out), "What this machine's operations cost", ABOUT, calibration_table(results), results, threads)


def monitor(out: str = "docs/results/monitor", seeds: int = 5) -> None:
    """Measure what kernel tracking costs the default run: without it, by the Jacobian, and as it is.

    Args:
        out: folder of <device>.json and README.md
        seeds: how many runs of each
    """
    from recipes.bench.monitor import ABOUT, monitor_table, run_monitor
    from recipes.bench.pages import write_page

    with tempfile.TemporaryDirectory() as folder:
        measured = run_monitor(Path(folder), seeds)
    write_page(
        Path(out), "What tracking the kernel costs", ABOUT, monitor_table(measured), measured, os.cpu_count() or 1
    )


def sharing(
    out: str = "docs/results/sharing", cases: str = ",".join(NETWORKS), repeats: int = 3, quick: bool = False
) -> None:
    """Measure what a second process saves: kernels by one process and by two, with a core and a thread each.

    Args:
        out: folder of <device>.json and README.md
        cases: some of mlp, ccp, conv, resnet18, parted by commas
        repeats: rounds of one process and two
        quick: try the command with small sizes; another --out must be given
    """
    from recipes.bench.pages import write_page
    from recipes.bench.sharing import ABOUT, run_sharing, sharing_table

    if quick and Path(out) == Path("docs/results/sharing"):
        raise ValueError(f"--quick measures nothing that belongs in {out}: give another --out")
    with tempfile.TemporaryDirectory() as folder:
        measured = run_sharing(names("case", cases, NETWORKS), Path(folder), repeats, quick)
    write_page(Path(out), "One kernel, two processes", ABOUT, sharing_table(measured), measured, 1)


def curvature(
    out: str = "docs/results/curvature",
    cases: str = "mlp,ccp,conv,resnet18",
    peers: str = "curvlinops,hessian-eigenthings",
    venvs: str = ".venvs",
    repeats: int = 3,
    threads: int = 1,
    quick: bool = False,
) -> None:
    """Measure the largest eigenvalues of Hessians beside the peers', what a product costs, and what the monitor costs.

    Args:
        out: folder of <device>.json and README.md
        cases: some of mlp, ccp, conv, resnet18, parted by commas
        peers: some of curvlinops, hessian-eigenthings, parted by commas, or none
        venvs: folder of the peers' virtual environments
        repeats: the most rounds of every contender
        threads: how many cores a process is bound to
        quick: try the command with few samples and without the runs of the monitor; another --out must be given
    """
    from recipes.bench.curvature import ABOUT, BUDGET, PEERS, curvature_table, run_curvature
    from recipes.bench.pages import write_page

    if quick and Path(out) == Path("docs/results/curvature"):
        raise ValueError(f"--quick measures nothing that belongs in {out}: give another --out")
    chosen = [] if peers == "none" else names("peer", peers, tuple(PEERS))
    nets = names("case", cases, NETWORKS)
    if min(repeats, threads) < 1:
        raise ValueError(f"repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    with tempfile.TemporaryDirectory() as folder:
        measured = run_curvature(Path(folder), Path(venvs), nets, chosen, repeats, threads, quick)
    about = ABOUT.format(budget=BUDGET)
    write_page(Path(out), "Sharpness, its cost, and its peers", about, curvature_table(measured), measured, threads)


def throughput(
    out: str = "docs/results/throughput",
    models: str = "all",
    sides: str = "32,224",
    dtypes: str = "auto",
    batch: int = 8,
    repeats: int = 3,
    threads: int = 2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Count and measure every image family beside timm's network: FLOPs, memory, images a second in both passes.

    Args:
        out: folder of <device>.json and README.md
        models: all, or names parted by commas
        sides: the sides of the square images, parted by commas
        dtypes: float32 and bfloat16, parted by commas; auto is float32, on a GPU both
        batch: images of a call, at least 2
        repeats: rounds of ours and timm's
        threads: how many cores torch uses
        device: where torch computes; auto is a GPU if there is one
    """
    from recipes.bench.pages import write_page
    from recipes.bench.throughput import ABOUT, DTYPES, LEAST, OPTIONS, run_throughput, throughput_table

    where = device_of(device)
    chosen = list(OPTIONS) if models == "all" else names("model", models, tuple(OPTIONS))
    sizes = [int(side) for side in names("side", sides, ("32", "64", "224"))]
    kinds = list(DTYPES)[: 1 if where == "cpu" else 2] if dtypes == "auto" else names("dtype", dtypes, tuple(DTYPES))
    if min(batch - 1, repeats, threads) < 1:  # BatchNorm has no variance of one image whose map is 1x1
        raise ValueError(
            f"batch is {batch}, repeats is {repeats}, threads is {threads}; allowed: batch >= 2, others >= 1"
        )
    measured, about = [], ABOUT.format(batch=batch, least=LEAST)
    try:
        for row in run_throughput(chosen, sizes, kinds, batch, repeats, where, threads):
            measured.append(row)
    finally:  # if it is stopped, what is measured is kept
        write_page(Path(out), "What a pass costs", about, throughput_table(measured), measured, threads, where)


if __name__ == "__main__":
    functions = (ntk, foreign, calibrate, monitor, sharing, curvature, throughput)
    run_command({function.__name__: function for function in functions})
