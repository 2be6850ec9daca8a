"""Measure what makes product networks fail and what mends them: python -m recipes.bench.stability"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from recipes.bench.stability_cells import initial, trained
from recipes.bench.stability_page import NETWORKS, PRODUCTS, tables, text
from recipes.bench.stability_settings import PROBLEMS, Change, Problem
from recipes.command_line import command_of

if TYPE_CHECKING:
    from hpnets.study import Cell

RESULTS, PAGE = "results.json", "README.md"
DEGREES = (4, 8, 16)


def stability(
    out: str = "docs/results/stability",
    runs: str = "runs/stability",
    seeds: int = 3,
    problems: str = "digits,diabetes,pdc",
    page: str | None = "docs/howto/stable-polynomial-nets.md",
) -> None:
    """Train every problem with every change, the network and its twin; write results.json and README.md.

    Finished runs are kept, so the same command after Ctrl-C continues.

    Args:
        out: the folder of the results
        runs: the folder with a json for each finished run
        seeds: how many runs of each
        problems: some of digits, diabetes, pdc, parted by commas
        page: the page with the markers <!-- NAME --> and <!-- end NAME --> of all tables; null leaves it
    """
    import torch

    from hpnets.atomic_files import write_json, write_text
    from hpnets.environment import environment
    from hpnets.report import check_markers, replace_between
    from hpnets.study import Study
    from recipes.bench.choices import names

    if seeds < 2:
        raise ValueError(f"seeds is {seeds}; allowed: >= 2, for a spread")
    chosen = names("problem", problems, tuple(problem.name for problem in PROBLEMS))
    for name in ("scale", *chosen) if page else ():
        check_markers(Path(str(page)), f"stability {name}")
    torch.set_num_threads(1)
    study = Study(Path(runs), "cpu")
    measured = {
        problem.name: {
            change.what: {product: _values(study, run_cells(problem, change, product, seeds)) for product in PRODUCTS}
            for change in problem.changes
        }
        for problem in PROBLEMS
        if problem.name in chosen
    }
    scales = {
        name: {str(n): _values(study, scale_cells(own, n, seeds)) for n in DEGREES} for own, name in NETWORKS.items()
    }
    kept = {key: environment()[key] for key in ("platform", "device", "cores", "versions", "commit")}
    record = {"command": command_of("recipes.bench.stability"), "seeds": seeds, "environment": kept}
    record |= {"scale": scales, "measured": measured}
    write_json(Path(out) / RESULTS, record)
    write_text(Path(out) / PAGE, text(record))
    for name, rows in tables(record, narrow=True).items() if page else ():
        replace_between(Path(str(page)), f"stability {name}", rows)


def _values(study: Any, cells: "list[Cell]") -> list[dict[str, Any]]:
    return study.run(cells).values()


def run_cells(problem: Problem, change: Change, product: str, seeds: int) -> "list[Cell]":
    """A run for each seed."""
    from hpnets.study import grid

    return grid(
        trained,
        model={**problem.model, **change.model},
        task=problem.task,
        optim={**problem.optim, **change.optim},
        epochs=problem.epochs,
        inputs=change.inputs,
        weights=change.weights,
        product=product,
        seed=tuple(range(seeds)),
    )


def scale_cells(network: tuple[str, bool, bool], degree: int, seeds: int) -> "list[Cell]":
    """A network for each seed."""
    from hpnets.study import grid

    product, skip, residual = network
    return grid(initial, product=product, skip=skip, residual=residual, degree=degree, seed=tuple(range(seeds)))


if __name__ == "__main__":
    run_command(stability)
