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
    cells: str = "*",
    jobs: int = 2,
    out: str = "runs/zoo",
    checkpoints: str = "checkpoints",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
    fresh: bool = False,
) -> None:
    """Train three seeds of each cell and of its additive twin, and publish each cell when its runs have ended.

    Finished runs are kept and cut ones go on, so the same command after Ctrl-C continues. Exits 1 if a cell failed.

    Args:
        cells: names or patterns parted by commas, such as 'ccp-digits,starnet-*'
        jobs: processes side by side, one thread and one cell each; 0 trains in this process
        out: where the run folders lie
        checkpoints: where weights and index.json are published
        results: where spectra.json and training.json are written
        configs: <task>/<model>.yaml of every cell
        fresh: remove what the cells' runs have in `out` first
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
    """What must be published before the rest begins, the mlps that pictures are measured by, and the rest.

    Generators, which take longest, are the first of the rest.
    """
    rulers = {f"mlp-{runs.cell.config.parent.name}" for runs in chosen if runs.cell.makes_pictures()}
    first = [runs for runs in chosen if runs.cell.name in rulers]
    rest = [runs for runs in chosen if runs.cell.name not in rulers]
    return [first, sorted(rest, key=lambda runs: not runs.cell.makes_pictures())]


def trained(chosen: list[CellRuns], jobs: int) -> Iterator[tuple[CellRuns, int]]:
    """Each cell with its exit status as it ends; leaving the loop early stops the processes that run."""
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
            for runs, process in ended:  # after the next have started, because publishing takes its time
                process.join()
                yield runs, process.exitcode or 0
    finally:
        for _, process in running.values():
            process.kill()  # a run that is killed resumes as well as one that is stopped
            process.join()


def start(runs: CellRuns) -> Job:
    """A process that trains the missing runs of a cell."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # read when the process imports torch
    process = mp.get_context("spawn").Process(target=train_in_process, args=(runs.cell.config, runs.out))
    process.start()
    return runs, process


def publish(runs: CellRuns, checkpoints: Path, results: Path) -> str:
    """Publish a cell whose runs have ended; the line that says what came out."""
    from recipes.zoo.publish import publish_runs
    from recipes.zoo.spectra import record_spectra

    ours, twins = runs.runs(), runs.twins()
    entry = publish_runs(runs.cell.name, ours, twins, checkpoints, runs.cell.command(SEEDS[0]))
    record_spectra(results, runs.cell.name, ours, twins)
    seconds = sum(run.read_summary()["seconds"] for run in (*ours, *twins))
    name = next(key for key in entry.metrics if key != "test/loss")
    found = f"{name} {entry.metrics[name]['mean']:.4g} +- {entry.metrics[name]['std']:.2g}"
    twin = f", twin {entry.twin['metrics'][name]['mean']:.4g}" if entry.twin else ""
    return f"{entry.name}: {found}{twin}, {len(ours) + len(twins)} runs, {seconds:.1f} s"


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
