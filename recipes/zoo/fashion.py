"""Train the zoo on Fashion-MNIST, networks and twins tuned alike: python -m recipes.zoo.fashion --device cuda"""

import time
from pathlib import Path
from typing import Literal

from hpnets.commands.parser import run_command
from hpnets.commands.process import fail
from recipes.bench.choices import names
from recipes.command_line import command_of
from recipes.zoo.fashion_runs import NETS, Length, sides
from recipes.zoo.packing import TEXTS, WHOLE, pack, unpack
from recipes.zoo.pool import train_all

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
        pack(Path(out), Path(packed), lambda run: TEXTS if run.startswith("rate-") else WHOLE)
    done = sum(run.summary.is_file() for side in work for run in side.last())
    print(f"{done} of {sum(len(side.last()) for side in work)} last runs have ended, {time.time() - started:.0f} s")
    if failed:
        fail(f"not finished: {', '.join(failed)}", status=1)


if __name__ == "__main__":
    run_command(fashion)
