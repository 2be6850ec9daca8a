"""Measure the accuracy of the zoo's classifiers under attack: python -m recipes.zoo.robust --jobs 2"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from recipes.command_line import command_of
from recipes.zoo.cells import CONFIGS, find_cells
from recipes.zoo.runs import CellRuns
from recipes.zoo.train import trained
from recipes.zoo.tuned import pairs

if TYPE_CHECKING:
    from hpnets.training import RunFolder

FILE, RADII = "robust.json", (0.05, 0.1)
Measured = dict[str, list[float]]


def measure_robust(
    cells: str = "*-digits",
    jobs: int = 2,
    out: str = "runs/zoo",
    tuning: str = "runs/tuning",
    results: str = "docs/results/zoo",
    configs: str = CONFIGS,
) -> None:
    """Attack the test samples of each run of the cells, and record it by cell.

    Of a cell with an additive twin both are attacked, in the runs of recipes.zoo.tune at the rates that validation
    chose; cells whose rates are not all trained are left out. Runs of other cells are those that recipes.zoo.train
    left; missing ones are trained first, and not published. What the record has already is not measured again.

    Args:
        cells: names or patterns parted by commas; those that generate pictures are left out
        jobs: training processes side by side; 0 trains in this process
        out: the folder of the run folders
        tuning: the folder of the run folders of recipes.zoo.tune
        results: the folder where robust.json is written
        configs: the folder with <task>/<model>.yaml for every cell
    """
    from hpnets.atomic_files import read_json, write_json

    file = Path(results) / FILE
    record: dict[str, Any] = read_json(file) if file.is_file() else {"cells": {}}

    def enter(name: str, made: dict[str, Any]) -> None:
        record["cells"][name] = made
        record.update({"command": command_of("recipes.zoo.robust"), "attack": words(), "radii": list(RADII)})
        write_json(file, {**record, "cells": dict(sorted(record["cells"].items()))})
        print(f"{name}: {made}", flush=True)

    chosen = [cell for cell in find_cells(cells, Path(configs)) if not cell.makes_pictures()]
    for net, twin in pairs(chosen, Path(tuning)):
        if not (net.has_ended() and twin.has_ended()):
            print(f"{net.cell.name}: not every rate is trained in {tuning}", flush=True)
            continue
        rates = {"net": net.choice().rate, "twin": twin.choice().rate}
        if record["cells"].get(net.cell.name, {}).get("rates") != rates:
            enter(net.cell.name, {"rates": rates, "net": attacked(net.best()), "twin": attacked(twin.best())})
    alone = [CellRuns(cell, Path(out)) for cell in chosen if not cell.has_twin()]
    for runs, status in trained([of for of in alone if of.cell.name not in record["cells"]], jobs):
        if status:
            print(f"{runs.cell.name}: failed with status {status}, see {runs.log}", flush=True)
        else:
            enter(runs.cell.name, {"net": attacked(runs.runs()), "twin": None})


def attacked(runs: "list[RunFolder]") -> Measured:
    """The accuracy of each run, "clean" and by radius."""
    from hpnets.options import AttackOptions
    from hpnets.training import evaluate_attacked, load_run

    made: Measured = {}
    for run in runs:
        net, task, _ = load_run(run.path)
        for eps in RADII:
            values = evaluate_attacked(net, task, AttackOptions(eps))
            made.setdefault(f"{eps:g}", []).append(round(values["test/robust_accuracy"], 6))
        made.setdefault("clean", []).append(round(values["test/accuracy"], 6))
    return made


def words() -> str:
    """The attack, in words."""
    from hpnets.options import AttackOptions

    return "; ".join(str(AttackOptions(eps)) for eps in RADII)


if __name__ == "__main__":
    run_command(measure_robust)
