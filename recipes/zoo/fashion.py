"""Train the zoo on Fashion-MNIST, networks and twins tuned alike: python -m recipes.zoo.fashion --device cuda"""

import multiprocessing as mp
import os
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from hpnets.commands.parser import run_command
from hpnets.commands.process import fail
from recipes.bench.choices import names
from recipes.command_line import command_of
from recipes.zoo.fashion_runs import NETS, Length, Side, sides
from recipes.zoo.packing import pack, unpack

QUICK = Length(flops=1e9)  # a step of a network or two


def fashion(
    out: str = "runs/fashion",
    models: str = "all",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    processes: int = 2,
    minutes: float = 0.0,
    packed: str | None = None,
    flops: float = 0.0,
    quick: bool = False,
) -> None:
    """Train each network and twin at three rates, then three seeds on all images at the rate that validation chose.

    Finished runs are kept and interrupted ones go on, so the same command continues after Ctrl-C. The exit status is 1
    if a network failed.

    Args:
        out: the folder of the run folders
        models: all, or names parted by commas
        device: where the networks are trained; auto is a GPU if there is one
        processes: networks that are trained side by side, a process each; 0 trains in this process
        minutes: stop after so long, which the same command goes on from; 0 is never
        packed: a folder where tar files with the finished runs are kept, to bring them home; those there are unpacked
        flops: the FLOPs of training of each run; 0 is the published length
        quick: try the command with a few steps
    """
    from hpnets.environment import device_of

    if min(processes, minutes, flops) < 0:
        raise ValueError(f"processes is {processes}, minutes is {minutes}, flops is {flops}; allowed: >= 0")
    chosen = list(NETS) if models == "all" else names("model", models, tuple(NETS))
    where = {"cpu": "cpu", "cuda": "gpu"}[device_of(device).partition(":")[0]]
    length = QUICK if quick else Length(flops) if flops else Length()
    work, started = sides(Path(out), where, length, chosen), time.time()
    if packed:
        unpack(Path(packed), Path(out))
    print(f"{command_of('recipes.zoo.fashion')}\n{len(work)} networks, {processes} processes", flush=True)
    failed = train_all(work, processes, started + 60 * minutes if minutes else None)
    if packed:
        pack(Path(out), Path(packed))
    done = sum(run.summary.is_file() for side in work for run in side.last())
    print(f"{done} of {sum(len(side.last()) for side in work)} last runs have ended, {time.time() - started:.0f} s")
    if failed:
        fail(f"not finished: {', '.join(failed)}", status=1)


def train_all(work: list[Side], processes: int, until: float | None) -> list[str]:
    """Train the sides, each in a process of its own, at most until a time; the names of those that did not finish."""
    if processes == 0:
        for side in work:
            side.train()
        return []
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # the processes read them when they import torch
    waiting, running, left = list(reversed(work)), dict[Any, tuple[Side, BaseProcess]](), []
    try:
        while waiting or running:
            for side in [waiting.pop() for _ in range(min(processes - len(running), len(waiting)))]:
                process: BaseProcess = mp.get_context("spawn").Process(target=train_side, args=(side,))
                process.start()
                running[process.sentinel] = side, process
            ended = wait(list(running), None if until is None else max(0.0, until - time.time()))
            if not ended:
                break
            for side, process in [running.pop(sentinel) for sentinel in ended]:
                process.join()
                left += [side.name] if process.exitcode else []
                print(f"{side.name}: {f'failed, see {side.log}' if process.exitcode else 'done'}", flush=True)
    finally:
        for _, process in running.values():
            process.kill()  # a killed run can be resumed as well as one that is stopped
            process.join()
    return sorted(left + [side.name for side in waiting] + [side.name for side, _ in running.values()])


def train_side(side: Side) -> None:
    """Train a side with one thread and its output in its log, as a process that fails if it does."""
    import torch

    torch.set_num_threads(1)
    side.out.mkdir(parents=True, exist_ok=True)
    with side.log.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        side.train()


if __name__ == "__main__":
    run_command(fashion)
