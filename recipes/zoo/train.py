"""Train and publish the zoo, or some of its cells: python -m recipes.zoo.train --cells 'ccp-digits,starnet-*'"""

import json
import multiprocessing as mp
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hpnets.commands.parser import run_command
from hpnets.commands.process import fail
from recipes.command_line import command_of
from recipes.zoo.cells import CONFIGS, SEEDS, find_cells
from recipes.zoo.runs import CellRuns, train_cell, train_in_process

CALLS = "calls.json"
Job = tuple[CellRuns, BaseProcess]


def train_zoo(
    cells: str | None = None,
    jobs: int = 2,
    out: str = "runs/zoo",
    checkpoints: str = "checkpoints",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
    fresh: bool = False,
) -> None:
    """Train three seeds of each cell and of its additive twin, and publish each cell when its runs have ended.

    Finished runs are kept and interrupted ones go on, so the same command continues after Ctrl-C. The exit status is 1
    if a cell failed.

    Args:
        cells: names or patterns parted by commas, such as 'ccp-digits,starnet-*'; by default all whose data come with
            the packages (`recipes.zoo.fashion` trains the others)
        jobs: processes side by side, with one thread and one cell each; 0 trains in this process
        out: the folder of the run folders
        checkpoints: the folder where weights and index.json are published
        results: the folder where spectra.json and training.json are written
        configs: the folder with <task>/<model>.yaml for every cell
        fresh: first remove the cells' run folders in `out`
    """
    if jobs < 0:
        raise ValueError(f"jobs is {jobs}; allowed: >= 0")
    chosen = [CellRuns(cell, Path(out)) for cell in find_cells(cells, Path(configs))]
    if fresh:
        for runs in chosen:
            runs.remove()
    planned = sum(len(runs.missing()) for runs in chosen)
    print(f"{len(chosen)} cells, {planned} runs to train", flush=True)
    started, failed = time.time(), []
    try:
        for runs, status in (ended for phase in phases(chosen) for ended in trained(phase, jobs)):
            if status:
                failed.append(runs.cell.name)
                print(f"{runs.cell.name}: failed with status {status}, see {runs.log}", flush=True)
            else:
                print(publish(runs, Path(checkpoints), Path(results)), flush=True)
    finally:
        if planned:
            left = sum(len(runs.missing()) for runs in chosen)
            record_call(Path(out), Path(results), jobs, planned - left, time.time() - started)
    print(f"{len(chosen) - len(failed)} cells, {time.time() - started:.0f} s")
    if failed:
        fail(f"failed: {', '.join(failed)}", status=1)


def phases(chosen: list[CellRuns]) -> list[list[CellRuns]]:
    """Two phases: the mlps by which pictures are measured, which must be published first, and the rest.

    Generators take longest, so they come first in the second phase.
    """
    rulers = {f"mlp-{runs.cell.config.parent.name}" for runs in chosen if runs.cell.makes_pictures()}
    first = [runs for runs in chosen if runs.cell.name in rulers]
    rest = [runs for runs in chosen if runs.cell.name not in rulers]
    return [first, sorted(rest, key=lambda runs: not runs.cell.makes_pictures())]


def trained(chosen: list[CellRuns], jobs: int) -> Iterator[tuple[CellRuns, int]]:
    """Yield each cell with its exit status as it ends; if the caller leaves early, running processes are killed."""
    if jobs == 0:
        for runs in chosen:
            train_cell(runs.cell.config, runs.out)
            yield runs, 0
        return
    yield from ((runs, 0) for runs in chosen if not runs.missing())
    waiting, running = [runs for runs in reversed(chosen) if runs.missing()], dict[Any, Job]()
    try:
        while waiting or running:
            ended = [running.pop(sentinel) for sentinel in (wait(list(running)) if running else [])]
            for job in [start(waiting.pop()) for _ in range(min(jobs - len(running), len(waiting)))]:
                running[job[1].sentinel] = job
            for runs, process in ended:  # the next cells have started already, since the caller's publishing takes time
                process.join()
                yield runs, process.exitcode or 0
    finally:
        for _, process in running.values():
            process.kill()  # a killed run can be resumed as well as one that is stopped
            process.join()


def start(runs: CellRuns) -> Job:
    """Start a process that trains the missing runs of a cell."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # the process reads them when it imports torch
    process = mp.get_context("spawn").Process(target=train_in_process, args=(runs.cell.config, runs.out))
    process.start()
    return runs, process


def publish(runs: CellRuns, checkpoints: Path, results: Path) -> str:
    """Publish a cell whose runs have ended, and return a line with its results."""
    from recipes.zoo.publish import publish_runs
    from recipes.zoo.spectra import record_spectra

    ours, twins = runs.runs(), runs.twins()
    entry = publish_runs(runs.cell.name, ours, twins, checkpoints, runs.cell.command(SEEDS[0]))
    record_spectra(results, runs.cell.name, ours, twins)
    seconds = sum(run.read_summary()["seconds"] for run in (*ours, *twins))
    name = next(key for key in entry.metrics if key != "test/loss")
    metric = f"{name} {entry.metrics[name]['mean']:.4g} +- {entry.metrics[name]['std']:.2g}"
    twin = f", twin {entry.twin['metrics'][name]['mean']:.4g}" if entry.twin else ""
    return f"{entry.name}: {metric}{twin}, {len(ours) + len(twins)} runs, {seconds:.1f} s"


def record_call(out: Path, results: Path, jobs: int, runs: int, seconds: float) -> None:
    """Add this call to <out>/calls.json, and write the total since `out` was new into <results>/training.json."""
    from hpnets.atomic_files import write_json
    from hpnets.environment import environment

    file, here = out / CALLS, environment()
    call = {"command": command_of("recipes.zoo.train"), "jobs": jobs}
    call |= {"started": here["started"], "runs": runs, "seconds": round(seconds, 1)}
    calls = [*(json.loads(file.read_text()) if file.is_file() else []), call]
    write_json(file, calls)
    total = {"seconds": round(sum(c["seconds"] for c in calls), 1), "runs": sum(c["runs"] for c in calls)}
    kept = {key: here[key] for key in ("platform", "device", "cores", "versions", "commit")}
    write_json(results / "training.json", {**total, "calls": calls, "environment": kept})


if __name__ == "__main__":
    run_command(train_zoo)
