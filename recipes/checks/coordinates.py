"""Write the coordinate check as a page: python -m recipes.checks.coordinates --models '[mlp,ccp]' --out coordinates"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command
from hpnets.statistics import mean, spread
from recipes import ROOT

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hpnets.tasks.base import SupervisedTask


RATES = {"adam": 0.01, "sgd": 0.03}
KINDS = ("standard", "ntk", "mup")
LATENT = 16  # the latents of generators
RESULTS, PAGE = "coordinates.json", "README.md"
HEAD = """# How far a step moves each layer, at several widths

The [coordinate check](../../concepts/parametrisation.md) of every model, with the options and on the task of its config
in `recipes/configs`, the first width being the base width; a generator is fitted to the pictures of its task from fixed
latents. Adam's learning rate is {adam}, sgd's {sgd}. Slopes of log(root mean square change of a layer's output in a
step) over log(width), mean +- standard deviation over seeds. 0: a step is of one size at every width; above: it grows.
`standard`, `ntk` and `mup` are the slopes of the network's output, "steepest under mup" the linear layer or convolution
whose step grows most there. `{results}` holds the changes of every layer.

Under `mup` no output's step grows by more than a power of 0.13 of the width, under the models' own parametrisation
almost all do by 0.3 to 2.4. What is otherwise:

- Slopes below 0 under `mup`, of `style_generator`, `linear_attention` and `resnet18` with sgd above all, are of the
  first steps: the output starts as O(1) at the base width and as O(1 / sqrt(r)) at r times it, so that a narrow net has
  more to undo. That of `style_generator` at widths 64 to 256 is -0.7 over 3 steps and -0.3 over 20.
- `pnn`, `pnn_skip`: `v` is measured before the output's factor sqrt(2 / width), which takes 0.5 off its slope.
- `pnn`, `pnn_skip`, `style_generator` under sgd: their own parametrisation divides weights by the root of the fan-in,
  as the NTK's does, and keeps the output's steps of one size.
- `siren` under adam: steps turn the sines' angles by more at larger widths, the slope of `W.1` is 0.9, but a sine does
  not tell by how many turns.
- `dpolynet` and `spade`: the layers that are steepest under `mup` differ by as much from seed to seed.
"""


def coordinates(
    models: list[str],
    out: str,
    widths: list[int] = [64, 128, 256, 512, 1024],  # noqa: B006
    seeds: list[int] = [0, 1, 2],  # noqa: B006
    steps: int = 3,
    batch: int = 64,
) -> None:
    """Run the coordinate check under each parametrisation, with adam and sgd; write coordinates.json and README.md.

    Args:
        models: names of models with a config in recipes/configs
        out: the folder that is written; its results of other models stay
        widths: at least two; the first is the base width
        seeds: the seeds of the weights
        steps: how many steps are trained on one batch
        batch: how many training samples the batch has
    """
    from hpnets.atomic_files import write_text

    file = Path(out) / RESULTS
    settings = {"widths": widths, "seeds": seeds, "steps": steps, "batch": batch}
    rows = [row for row in (json.loads(file.read_text()) if file.is_file() else []) if row["model"] not in models]
    for model in models:
        options, task = of_config(model)
        for optimizer in RATES:
            for kind in KINDS:
                row = {"model": model, "task": task.name, "optimizer": optimizer, "parametrisation": kind, **settings}
                rows.append({**row, "runs": measure(row, options, task)})
            print(line(rows[-len(KINDS) :]), flush=True)
    rows.sort(key=lambda row: row["model"])
    write_text(file, "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    write_text(Path(out) / PAGE, page(rows, out))


def of_config(model: str) -> "tuple[dict[str, Any], SupervisedTask]":
    """The options of a model and its task, from its config; raises ValueError for a model without a config."""
    from hpnets import create_task
    from hpnets.models.registry import model_class
    from recipes.zoo.cells import CONFIGS, find_cells

    model_class(model)  # raises for an unknown model, with the nearest names
    options = find_cells(f"{model}-*", ROOT / CONFIGS)[0].options(seed=0)
    own = {key: value for key, value in options.model.items() if key not in ("name", "width", "parametrisation")}
    return {key: value for key, value in own.items() if key != "base_width"}, create_task(**options.task)


def measure(row: dict[str, Any], options: dict[str, Any], task: "SupervisedTask") -> list[dict[str, list[float]]]:
    """One coordinate check for each seed: the changes at each width by layer, to 4 digits."""
    from hpnets.options import OptimOptions
    from hpnets.training import coordinate_check

    x, outputs, loss = problem(row["model"], task, row["batch"])
    build = builder(row, options, tuple(x.shape[1:]), outputs)
    optim = OptimOptions(row["optimizer"], RATES[row["optimizer"]])
    checks = [coordinate_check(build, x, loss, optim, row["widths"], row["steps"], [seed]) for seed in row["seeds"]]
    return [{name: [float(f"{c:.4g}") for c in changes] for name, changes in check.changes.items()} for check in checks]


def problem(model: str, task: "SupervisedTask", batch: int) -> "tuple[Tensor, int, Callable[[Tensor], Tensor]]":
    """Inputs spread over the training set, the number of outputs, and a loss as a function of the outputs."""
    import torch
    from torch.nn.functional import mse_loss

    from hpnets.models import generates_pictures

    task.setup()
    x, y = task.train_set.batch(torch.arange(batch) * (len(task.train_set) // batch))
    if not generates_pictures(model):
        return x, task.output_dim, lambda f: task.loss(f, y)
    latents = torch.randn(batch, LATENT, generator=torch.Generator().manual_seed(0))
    return latents, x[0].numel(), lambda f: mse_loss(f, x.flatten(1))


def builder(
    row: dict[str, Any], options: dict[str, Any], input_shape: tuple[int, ...], output_dim: int
) -> "Callable[[int], nn.Module]":
    """A function of the width that makes the row's model."""
    from hpnets import create_model

    shape: dict[str, Any] = {"input_shape": input_shape, "output_dim": output_dim}
    base = {"base_width": row["widths"][0]} if row["parametrisation"] == "mup" else {}
    kind = {"parametrisation": row["parametrisation"], **base}
    return lambda width: create_model(row["model"], width=width, **shape, **kind, **options)


def page(rows: list[dict[str, Any]], out: str) -> str:
    """The page: the commands and the table in Markdown."""
    models: dict[str, dict[str, None]] = {}
    for row in rows:
        flags = f"--widths '{row['widths']}' --batch {row['batch']} --steps {row['steps']} --seeds '{row['seeds']}'"
        models.setdefault(flags, {})[row["model"]] = None
    recipe = "python -m recipes.checks.coordinates"
    commands = [f"{recipe} --models '[{','.join(m)}]' {flags} --out {out}" for flags, m in models.items()]
    columns = ["model", "task", "widths", "optimiser", *KINDS, "steepest under mup"]
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines = [line(rows[i : i + len(KINDS)]) for i in range(0, len(rows), len(KINDS))]
    return "\n".join([HEAD.format(**RATES, results=RESULTS), "```text", *commands, "```", "", *table, *lines, ""])


def line(rows: list[dict[str, Any]]) -> str:
    """One row of the table, for a model and an optimiser; `rows` has its parametrisations in the order of KINDS."""
    row, widths, mup = rows[0], rows[0]["widths"], slopes(rows[-1])
    steepest = max(mup.keys() - {"f"}, key=lambda name: (mean(mup[name]), name))
    cells = [row["model"], row["task"], f"{widths[0]} to {widths[-1]}", row["optimizer"]]
    cells += [spread(slopes(each)["f"], "+.2f", ".2f") for each in rows]
    return f"| {' | '.join(cells)} | `{steepest}` {spread(mup[steepest], '+.2f', '.2f')} |"


def slopes(row: dict[str, Any]) -> dict[str, list[float]]:
    """The slopes of each layer, one for each seed."""
    from hpnets.training import CoordinateCheck

    runs = [CoordinateCheck(tuple(row["widths"]), changes).slopes for changes in row["runs"]]
    return {name: [run[name] for run in runs] for name in runs[0]}


if __name__ == "__main__":
    run_command(coordinates)
