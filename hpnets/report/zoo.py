"""Tables of the zoo, from checkpoints/index.json alone: all networks of a task and metric, or the best of each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpnets.statistics import half_width, plus_minus, told_apart

Entry = dict[str, Any]
LOWER_IS_BETTER = ("mse", "loss", "frechet")
DEGENERATE = 0.5  # if more than this share of the parameters has no gradient at the start, drift says little
COLUMNS = (
    "| checkpoint | {} | additive twin | difference (95%) | rates, net; twin | parameters | kFLOPs (products) "
    "| s a run | drift | cosine drift | effective rank | decay exponent (R^2) |"
)


def metric_of(entry: Entry) -> str:
    """The name of the test metric by which a network is judged: the first that is not the loss."""
    return next((key for key in entry["metrics"] if key != "test/loss"), "test/loss")


def badness(entry: Entry) -> float:
    """The mean of the metric, with its sign changed if more is better, so that less is better."""
    name = metric_of(entry)
    mean = entry["metrics"][name]["mean"]
    return mean if name.endswith(LOWER_IS_BETTER) else -mean


def is_twin(entry: Entry) -> bool:
    """Whether the entry is an additive twin, published by itself; it stands in the row of its network."""
    return bool(entry["model"].get("product") == "sum")


def _kernel_mean(name: str) -> Callable[[Entry], float]:
    return lambda entry: (entry["kernel"].get(name) or {"mean": float("inf")})["mean"]


SORTS: dict[str, Callable[[Entry], Any]] = {
    "metric": badness,
    "name": lambda entry: entry["name"],
    "parameters": lambda entry: entry["parameters"],
    "flops": lambda entry: entry["flops"],
    "seconds": lambda entry: entry["seconds"]["mean"],
    "drift": _kernel_mean("drift"),
    "cosine_drift": _kernel_mean("cosine_drift"),
    "effective_rank": _kernel_mean("effective_rank"),
    "decay_exponent": _kernel_mean("decay_exponent"),
}


def by_goal(index: Path, sort: str = "metric") -> dict[str, list[Entry]]:
    """The entries by task and metric ("digits-accuracy"), sorted: by metric the best comes first, else ascending.

    Raises ValueError for a `sort` that SORTS does not have.
    """
    if sort not in SORTS:
        raise ValueError(f"sort is {sort!r}; allowed: {', '.join(SORTS)}")
    goals: dict[str, list[Entry]] = {}
    own = [entry for entry in json.loads(index.read_text()) if not is_twin(entry)]
    for entry in sorted(own, key=SORTS[sort]):
        goals.setdefault(f"{entry['task']['name']}-{metric_of(entry).removeprefix('test/')}", []).append(entry)
    return dict(sorted(goals.items()))


def zoo_table(entries: list[Entry], robust: dict[str, str] | None = None) -> str:
    """A table with one row an entry: metric, additive twin, costs and kernel, as mean +- std over the seeds.

    entries: those of one metric, as in a value of `by_goal`. robust: the last column, a heading at "" and texts by
    checkpoint; without any of these entries there is no such column.
    """
    head = COLUMNS.format(metric_of(entries[0]).removeprefix("test/"))
    cells = robust or {}
    last = any(entry["name"] in cells for entry in entries)
    rows = [f"{_row(entry)} {cells.get(entry['name'], '-')} |" if last else _row(entry) for entry in entries]
    head = f"{head} {cells['']} |" if last else head
    return "\n".join([head, "|" + " --- |" * (head.count("|") - 1), *rows])


def best_table(index: Path, smallest: int = 2) -> str:
    """A table of the network of the best mean of each task and metric, and the smallest that seeds cannot tell from it.

    Two means are told apart if they differ by more than the 95% interval of their difference (Welch).
    """
    lines = [
        "| checkpoint | task | test metric, mean +- std | told from the best | parameters | command |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for entries in by_goal(index).values():
        best, rivals = entries[0], rivals_of(entries)
        others = f"; {len(rivals)} of {len(entries) - 1} others cannot be told from it" if entries[1:] else ""
        told = {best["name"]: f"best mean{others}"}
        for e in [best, *sorted(rivals, key=SORTS["parameters"])[:smallest]]:
            metric = f"{metric_of(e).removeprefix('test/')} {spread(e['metrics'][metric_of(e)])}"
            cells = [f"`{e['name']}`", metric, told.get(e["name"], "no"), f"{e['parameters']:,}", f"`{e['command']}`"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def rivals_of(entries: list[Entry]) -> list[Entry]:
    """Those of one metric, the best first, that the seeds cannot tell from the first."""
    best, name = entries[0], metric_of(entries[0])
    n = min(len(entry["seeds"]) for entry in entries)
    return [e for e in entries[1:] if not told_apart(best["metrics"][name], e["metrics"][name], n)]


def interval(value: dict[str, float] | None, n: int) -> str:
    """mean (low to high), the 95% interval of the mean of n seeds; a dash if there is no value."""
    if value is None:
        return "-"
    half = half_width(value["std"], n)
    return f"{value['mean']:.3g} ({value['mean'] - half:.3g} to {value['mean'] + half:.3g})"


def spread(value: dict[str, float] | None) -> str:
    """mean +- std, in up to four and two digits; a dash if there is no value."""
    return "-" if value is None else plus_minus(value["mean"], value["std"], ".4g", ".2g")


def _row(entry: Entry) -> str:
    name, kernel, twin = metric_of(entry), entry["kernel"], entry["twin"]
    degenerate = " (degenerate start)" if kernel.get("zero_gradient", 0) > DEGENERATE else ""
    decay, r_squared = kernel.get("decay_exponent"), kernel.get("decay_r_squared")
    cells = [
        f"`{entry['name']}`",
        spread(entry["metrics"][name]),
        spread(twin["metrics"][name]) if twin else "-",
        interval(twin["difference"][name], len(twin["seeds"])) if twin else "-",
        _rates(twin["tuning"]) if twin and twin.get("tuning") else "-",
        f"{entry['parameters']:,}",
        f"{entry['flops'] / 1e3:,.0f} ({entry['products'] / 1e3:,.1f})",
        f"{entry['seconds']['mean']:.1f}",
        spread(kernel.get("drift")) + degenerate,
        spread(kernel.get("cosine_drift")) + degenerate,
        spread(kernel.get("effective_rank")),
        spread(decay) + (f" ({r_squared['mean']:.2f})" if decay and r_squared else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _rates(tuning: dict[str, Any]) -> str:
    """The rates that validation chose; * marks an end of the grid."""
    return "; ".join(f"{tuning[side]:g}{'*' * (side in tuning['at_edge'])}" for side in ("net", "twin"))
