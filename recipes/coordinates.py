"""The coordinate check of models, as a page: python recipes/coordinates.py --models '[mlp,ccp]' --out coordinates"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import auto_cli

from hpnets.cli import Parser, run_main

if TYPE_CHECKING:
    from torch import nn

RATES = {"adam": 0.01, "sgd": 0.03}
KINDS = ("standard", "ntk", "mup")
RESULTS, PAGE = "coordinates.json", "README.md"
HEAD = """# How far a step moves each layer, at several widths

The [coordinate check](../../concepts/parametrisation.md) on {batch} samples of digits, {steps} steps, the first width
being the base width, adam at a learning rate of {adam}, sgd of {sgd}: slopes of log(root mean square change of a
layer's output in a step) over log(width), mean +- standard deviation over the seeds {seeds}. 0: a step is of one size
at every width; above: it grows. `f` is the output of the network, "steepest" the linear layer or convolution of the
largest slope. Read from `{results}`, which holds the changes of every layer.
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
        models: names of models with a width
        out: the folder that is written; results that it holds of other models stay
        widths: at least two; the first is the base width
        seeds: of the weights
        steps: of training on the one batch
        batch: samples of digits in it
    """
    from hpnets.files import write_json, write_text

    file = Path(out) / RESULTS
    settings = {"widths": widths, "seeds": seeds, "steps": steps, "batch": batch}
    old = json.loads(file.read_text()) if file.is_file() else []
    rows = [row for row in old if row["model"] not in models or any(row[key] != settings[key] for key in settings)]
    for model in models:
        for optimizer in RATES:
            for kind in KINDS:
                rows.append({"model": model, "optimizer": optimizer, "parametrisation": kind, **settings})
                rows[-1]["runs"] = measure(rows[-1])
                print(line(rows[-1]), flush=True)
    write_json(file, rows)
    write_text(Path(out) / PAGE, page(rows, out))


def measure(row: dict[str, Any]) -> list[dict[str, Any]]:
    """One coordinate check a seed: its changes and slopes by layer."""
    import torch
    from torch.nn.functional import cross_entropy

    from hpnets import create_task
    from hpnets.options import OptimOptions
    from hpnets.training import coordinate_check

    task = create_task("digits")
    task.setup("fit")
    x, y = task.train_set.batch(torch.arange(row["batch"]))
    optim = OptimOptions(row["optimizer"], RATES[row["optimizer"]])
    found = [
        coordinate_check(
            builder(row, task.input_shape), x, lambda f: cross_entropy(f, y), optim, row["widths"], row["steps"], [seed]
        )
        for seed in row["seeds"]
    ]
    return [{"changes": check.changes, "slopes": check.slopes} for check in found]


def builder(row: dict[str, Any], shape: tuple[int, ...]) -> "Callable[[int], nn.Module]":
    """width -> the row's model."""
    from hpnets import create_model

    mup = row["parametrisation"] == "mup"
    options = {"parametrisation": row["parametrisation"], "base_width": row["widths"][0] if mup else None}
    return lambda width: create_model(row["model"], input_shape=shape, output_dim=10, width=width, **options)


def page(rows: list[dict[str, Any]], out: str) -> str:
    """The commands and the table in Markdown."""
    words = {"batch": rows[0]["batch"], "steps": rows[0]["steps"], "results": RESULTS}
    head = HEAD.format(**words, **RATES, seeds=", ".join(map(str, rows[0]["seeds"])))
    models: dict[str, dict[str, None]] = {}
    for row in rows:
        models.setdefault(json.dumps(row["widths"]), {})[row["model"]] = None
    recipe = "python recipes/coordinates.py"
    commands = [f"{recipe} --models '[{','.join(m)}]' --widths '{w}' --out {out}" for w, m in models.items()]
    table = ["| model | widths | optimiser | parametrisation | f | steepest |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([head, "```text", *commands, "```", "", *table, *map(line, rows), ""])


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    slopes = [run["slopes"] for run in row["runs"]]
    layers = {name: statistics.mean(s[name] for s in slopes) for name in slopes[0] if name != "f"}
    steepest = max(layers, key=lambda name: layers[name])
    widths = f"{row['widths'][0]} to {row['widths'][-1]}"
    cells = (row["model"], widths, row["optimizer"], row["parametrisation"], spread([s["f"] for s in slopes]))
    return f"| {' | '.join(cells)} | `{steepest}` {spread([s[steepest] for s in slopes])} |"


def spread(values: list[float]) -> str:
    """mean +- standard deviation."""
    return f"{statistics.mean(values):+.2f} +- {statistics.stdev(values) if len(values) > 1 else 0:.2f}"


if __name__ == "__main__":
    run_main(lambda: auto_cli(coordinates, parser_class=Parser, as_positional=False))
