"""Measure the accuracy of the zoo's classifiers under attack: python -m recipes.zoo.robust --jobs 2"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from recipes.command_line import command_of
from recipes.zoo.cells import CONFIGS, find_cells
from recipes.zoo.runs import CellRuns
from recipes.zoo.train import trained

if TYPE_CHECKING:
    from hpnets.training import RunFolder

FILE, RADII = "robust.json", (0.05, 0.1)
Measured = dict[str, list[float]]


def measure_robust(
    cells: str = "*-digits",
    jobs: int = 2,
    out: str = "runs/zoo",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
) -> None:
    """Attack the test samples of each run of the cells and of their additive twins, and record it by cell.

    Runs that recipes.zoo.train left are taken as they are; missing ones are trained first, and not published. A cell
    that the record has already is not measured again.

    Args:
        cells: names or patterns parted by commas; those that generate pictures are left out
        jobs: training processes side by side; 0 trains in this process
        out: the folder of the run folders
        results: the folder where robust.json is written
        configs: the folder with <task>/<model>.yaml for every cell
    """
    from hpnets.atomic_files import read_json, write_json

    file = Path(results) / FILE
    record: dict[str, Any] = read_json(file) if file.is_file() else {"cells": {}}
    chosen = [CellRuns(cell, Path(out)) for cell in find_cells(cells, Path(configs)) if not cell.makes_pictures()]
    for runs, status in trained([of for of in chosen if of.cell.name not in record["cells"]], jobs):
        if status:
            print(f"{runs.cell.name}: failed with status {status}, see {runs.log}", flush=True)
            continue
        record["cells"][runs.cell.name] = {"net": attacked(runs.runs()), "twin": attacked(runs.twins())}
        record |= {"command": command_of("recipes.zoo.robust"), "attack": words(), "radii": list(RADII)}
        write_json(file, {**record, "cells": dict(sorted(record["cells"].items()))})
        print(f"{runs.cell.name}: {record['cells'][runs.cell.name]}", flush=True)


def attacked(runs: "list[RunFolder]") -> Measured | None:
    """The accuracy of each run, "clean" and by radius; None without runs."""
    from hpnets.options import AttackOptions
    from hpnets.training import evaluate_attacked, load_run

    made: Measured = {}
    for run in runs:
        net, task, _ = load_run(run.path)
        for eps in RADII:
            values = evaluate_attacked(net, task, AttackOptions(eps))
            made.setdefault(f"{eps:g}", []).append(round(values["test/robust_accuracy"], 6))
        made.setdefault("clean", []).append(round(values["test/accuracy"], 6))
    return made or None


def words() -> str:
    """The attack, in words."""
    from hpnets.options import AttackOptions

    return "; ".join(str(AttackOptions(eps)) for eps in RADII)


if __name__ == "__main__":
    run_command(measure_robust)
