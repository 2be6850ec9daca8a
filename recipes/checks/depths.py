"""Write the coordinate check over depth as a page: python -m recipes.checks.depths --models '[resmlp]' --out depths"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from hpnets.statistics import log_slope, spread
from recipes.checks.coordinates import RATES, of_config, problem

if TYPE_CHECKING:
    from torch import nn

    from hpnets.tasks.base import SupervisedTask

KINDS = ("standard", "mup", "depth_mup", "completep")
# The options that make a network deeper, as the first that a model has, and what they are for L branches.
DEEPER: dict[str, Callable[[int], Any]] = {
    "degree": lambda L: L + 1,
    "depth": lambda L: L,
    "blocks": lambda L: [L],
}
RESULTS, PAGE = "depths.json", "depths.md"
# Models with residual branches that the page names when it does not hold them.
BRANCHED = ("adain", "dpolynet", "film", "focalnet", "spade", "van")
HEAD = """# How far a step moves the output, at several depths

The coordinate check over the depth, of networks with residual branches: a network of L blocks a stage (one stage
where there are several to choose from), or of degree L + 1, with the other options of its config, at the width of its
config, which is the base width. Adam's learning rate is {adam:g}, sgd's {sgd:g}. Slopes of log(root mean square change
of the output in a step) over log(L), mean +- standard deviation over seeds. 0: a step is of one size at every depth;
above: it grows. `depth_mup` multiplies branches by L^(-1/2), `completep` by 1 / L
([parametrisations](../../concepts/parametrisation.md#depth)).
"""


def depths(
    models: list[str],
    out: str,
    sizes: list[int] = [2, 4, 8, 16],  # noqa: B006
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    steps: int = 3,
    batch: int = 64,
) -> None:
    """Measure how far steps move the output at several depths, with adam and sgd; write depths.json and depths.md.

    Args:
        models: names of models with residual branches and a config in recipes/configs
        out: the folder that is written; its results of other models stay
        sizes: how many blocks a stage has; at least two numbers
        seeds: the seeds of the weights
        steps: how many steps are trained on one batch
        batch: how many training samples the batch has
    """
    from hpnets.atomic_files import write_text

    file = Path(out) / RESULTS
    settings = {"sizes": sizes, "seeds": seeds, "steps": steps, "batch": batch}
    rows = [row for row in (json.loads(file.read_text()) if file.is_file() else []) if row["model"] not in models]
    for model in models:
        options, task = of_config(model)
        for optimizer in RATES:
            kinds = {kind: changes(model, options, task, optimizer, kind, settings) for kind in KINDS}
            rows.append({"model": model, "task": task.name, "optimizer": optimizer, **settings, "changes": kinds})
            print(line(rows[-1]), flush=True)
        rows.sort(key=lambda row: row["model"])
        write_text(file, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
        write_text(Path(out) / PAGE, page(rows, out))


def changes(
    model: str, options: dict[str, Any], task: "SupervisedTask", optimizer: str, kind: str, settings: dict[str, Any]
) -> list[list[float]]:
    """The output's change at each size, for each seed, to 4 digits."""
    from hpnets.options import OptimOptions
    from hpnets.training import coordinate_check

    x, outputs, loss = problem(model, task, settings["batch"])
    build = builder(model, options, kind, tuple(x.shape[1:]), outputs)
    optim, sizes = OptimOptions(optimizer, RATES[optimizer]), settings["sizes"]
    checks = [coordinate_check(build, x, loss, optim, sizes, settings["steps"], [seed]) for seed in settings["seeds"]]
    return [[float(f"{c:.4g}") for c in check.changes["f"]] for check in checks]


def builder(
    model: str, options: dict[str, Any], kind: str, input_shape: tuple[int, ...], output_dim: int
) -> "Callable[[int], nn.Module]":
    """A function of the number of blocks that makes the model."""
    from hpnets import create_model
    from hpnets.models import model_options

    name = next(name for name in DEEPER if name in model_options(model))
    shape: dict[str, Any] = {"input_shape": input_shape, "output_dim": output_dim, "parametrisation": kind}
    return lambda L: create_model(model, **shape, **{**options, name: DEEPER[name](L)})


def page(rows: list[dict[str, Any]], out: str) -> str:
    """The page: the command and the table in Markdown."""
    row = rows[0]
    flags = f"--sizes '{row['sizes']}' --batch {row['batch']} --steps {row['steps']} --seeds '{row['seeds']}'"
    models = ",".join(dict.fromkeys(row["model"] for row in rows))
    command = f"python -m recipes.checks.depths --models '[{models}]' {flags} --out {out}"
    columns = ["model", "task", "optimiser", *KINDS]
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *map(line, rows)]
    out_of = [name for name in BRANCHED if name not in {row["model"] for row in rows}]
    missing = ["", f"Not measured here: {', '.join(out_of)}."] if out_of else []
    return "\n".join([HEAD.format(**RATES), "```text", command, "```", "", *table, *missing, ""])


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    cells = [row["model"], row["task"], row["optimizer"]]
    cells += [spread(slopes(row, kind), "+.2f", ".2f") for kind in KINDS]
    return f"| {' | '.join(cells)} |"


def slopes(row: dict[str, Any], kind: str) -> list[float]:
    """The slopes of the output's change, one for each seed; infinite where a network diverged."""
    runs = row["changes"][kind]
    return [log_slope(row["sizes"], run) if all(map(math.isfinite, run)) else math.inf for run in runs]


if __name__ == "__main__":
    run_command(depths)
