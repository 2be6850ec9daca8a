"""The page and the tables of recipes.bench.stability, of its results alone."""

import math
from collections.abc import Sequence
from typing import Any

from hpnets.statistics import deviation, mean, median, middle, plus_minus, table
from recipes.bench.stability_cells import expected
from recipes.bench.stability_settings import PROBLEMS, Problem

PRODUCTS, MSE = ("hadamard", "sum"), "mse"
WORST, START = "worst row's share", ("rms of f at the start", "largest |f|", "gradient")
# The columns that a narrow table leaves out.
WIDE = {*START[1:], "twin: first NaN", "twin: rms of f at the start", f"twin: {WORST}"}
# product, skip, residual of `initial`, and what its rows are called
NETWORKS = {
    ("hadamard", False, False): "product",
    ("hadamard", True, False): "product with skip",
    ("hadamard", True, True): "product with skip, U_n times (N - 1)^(-1/2)",
    ("sum", False, False): "twin",
    ("sum", True, False): "twin with skip",
}
ABOUT = """# Product networks that fail, and what mends them

Each row is a change of one run, with {seeds} seeds of the weights on one split, and the same for the additive twin
(`--model.product sum`). What the rows teach is in
[how to train a polynomial net](../../howto/stable-polynomial-nets.md).

- Finite: runs whose loss stayed finite to the end; first NaN: the step of the first NaN or Inf.
- Test: the metric of the runs that stayed finite, mean +- standard deviation.
- An mse is given as median (least - greatest), with the share of the squared errors that its worst test row carries.
- At the start: root mean square and largest |f| over the training samples, and the norm of the gradient of their loss,
  in train mode; median (least - greatest)."""
SCALE = """CCP at the start, of 64 inputs and width 256: its last features y_N on 1000 Gaussian x of mean square 1, over
samples and units, and its kernel, over 200 of them; medians over the seeds"""


def text(record: dict[str, Any]) -> str:
    """The whole page."""
    parts = tables(record)
    about = [ABOUT.format(seeds=record["seeds"]), f"```text\n{record['command']}\n```"]
    e = record["environment"]
    about += [f"{e['device']}, one thread, torch {e['versions']['torch']}, commit {e['commit']}."]
    about += [f"## Scale at the start\n\n{SCALE}.\n\n{parts.pop('scale')}"]
    of = {problem.name: problem for problem in PROBLEMS}
    for name, part in parts.items():
        about += [f"## {name}", of[name].about, f"```text\n{of[name].command()}\n```", part]
    return "\n\n".join(about) + "\n"


def tables(record: dict[str, Any], narrow: bool = False) -> dict[str, str]:
    """The tables by name, "scale" and one for each problem; narrow: with the columns that a reader needs first."""
    of = {problem.name: problem for problem in PROBLEMS}
    made = {name: problem_table(of[name], measured, narrow) for name, measured in record["measured"].items()}
    return {"scale": scale_table(record["scale"]), **made}


def scale_table(scales: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """A row for each network and degree, formulas beside what was measured."""
    sizes_head = ("rms: formula", "rms", "median of |y_N|", "largest |y_N|", "kurtosis: formula")
    head = ("network", "N", *sizes_head, "K(x, x): formula", "K(x, x)")
    rows = []
    for own, name in NETWORKS.items():
        for degree, seeds in scales[name].items():
            e = expected(*own, int(degree))
            rms, *sizes, kernel = (median([s[key] for s in seeds]) for key in ("rms", "median", "largest", "kernel"))
            numbers = (e.rms, rms, *sizes, e.kurtosis, e.kernel, kernel)
            rows.append([name, degree, *(f"{number:.3g}" for number in numbers)])
    return table(head, rows)


def problem_table(problem: Problem, measured: dict[str, dict[str, list[dict[str, Any]]]], narrow: bool = False) -> str:
    """A row for each change, the network's columns before the twin's."""
    metric = f"test {problem.metric}"
    ours = ("finite", "first NaN", metric, *((WORST,) if problem.metric == MSE else ()))
    head = ("change", "flags", *ours, *START, *(f"twin: {name}" for name in (*ours, START[0])))
    rows = []
    for change in problem.changes:
        net, twin = (measured[change.what][product] for product in PRODUCTS)
        row = [change.what, change.flags(), *outcome(net, problem.metric)]
        row += [at(net, key) for key in ("rms", "largest", "gradient")]
        rows.append([*row, *outcome(twin, problem.metric), at(twin, "rms")])
    kept = [i for i, name in enumerate(head) if not narrow or name not in WIDE]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in rows])


def outcome(seeds: Sequence[dict[str, Any]], metric: str) -> list[str]:
    """How many runs stayed finite, the steps at which the others did not, and the metric of those that did.

    An mse, which may differ by orders, is given as a median, and with the share of the worst row.
    """
    ended = [seed["metrics"] for seed in seeds if seed["metrics"]]
    steps = ", ".join(str(seed["step"]) for seed in seeds if seed["metrics"] is None)
    columns = [_spread([metrics[metric] for metrics in ended], metric)]
    columns += [_spread([metrics["worst"] for metrics in ended], metric)] if metric == MSE else []
    return [f"{len(ended)} of {len(seeds)}", steps or "-", *columns]


def _spread(values: Sequence[float | None], metric: str) -> str:
    finite = [value for value in values if value is not None]
    if len(finite) < len(values) or not values:
        return "inf" if values else "-"
    return middle(finite) if metric == MSE else plus_minus(mean(finite), deviation(finite))


def at(seeds: Sequence[dict[str, Any]], key: str) -> str:
    """Median, least and greatest of what was measured at the start."""
    return middle([math.inf if seed["start"][key] is None else seed["start"][key] for seed in seeds])
