"""Measure drift with running and with estimated BatchNorm statistics: python -m recipes.bench.batch_statistics"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpnets.commands.parser import run_command
from recipes.command_line import command_of

if TYPE_CHECKING:
    from hpnets.options import RunOptions
    from hpnets.training import RunFolder
    from recipes.zoo.cells import Cell


EARLY, EPOCHS = 20, 2  # a step at which statistics still remember their start, and the epochs that reach it
MARKER = "batch statistics"
RESULTS, PAGE = "results.json", "README.md"
ABOUT = """# BatchNorm before data: drift with running and with estimated statistics

The networks of the zoo that have BatchNorm, each with its own config (`recipes/configs`) and {seeds} seeds. The whole
run is the zoo's (`python -m recipes.zoo.train`). Its first {epochs} epochs are trained twice more, with the trace
kernel of its probe set at step {early}: with `--ntk.batch_statistics running`, and with `estimate`, the default
([what that is](../../concepts/tracking.md#batchnorm-before-data)). Both end with the same weights, bit for bit, which
the recipe compares. Mean +- standard deviation over the seeds.

- Norm of K_0: of the kernel at the start with running statistics, over that with estimated ones.
- Drift |K_t - K_0| / |K_0| at step {early} and at the end: with running statistics; with K_0 alone estimated; and with
  all kernels estimated while the statistics remember their start. At the end the latter two are one.
"""
HEAD = f"""| network | norm of K_0, running / estimated | drift at step {EARLY}: running | K_0 alone estimated \
| estimated | drift at the end: running | estimated |
| --- | --- | --- | --- | --- | --- | --- |"""
Way = Literal["running", "estimate"]
WAYS: tuple[Way, ...] = ("running", "estimate")
COLUMNS = ("start", "early_running", "early_first", "early", "end_running", "end")


def batch_statistics(
    cells: str = "*-digits",
    seeds: int = 3,
    runs: str = "runs/batch_statistics",
    zoo: str = "runs/zoo",
    out: str = "docs/results/batch-statistics",
    configs: str = "recipes/configs",
    page: str | None = "docs/concepts/tracking.md",
) -> None:
    """Train the first epochs of every cell that has BatchNorm in both ways; write results.json and README.md.

    Finished runs are kept and cut ones go on, so the same command after Ctrl-C continues.

    Args:
        cells: names or patterns parted by commas, such as 'starnet-digits,se_resnet-*'
        seeds: how many runs of each cell and way
        runs: the folder of the first epochs' run folders
        zoo: the folder of the run folders of recipes/zoo/train.py; a missing run is trained
        out: the folder of the results
        configs: the folder with <task>/<model>.yaml for every cell
        page: the page with the markers <!-- batch statistics --> and <!-- end batch statistics -->; null leaves it
    """
    from hpnets.atomic_files import write_json, write_text
    from hpnets.environment import environment
    from hpnets.report import check_markers, replace_between
    from recipes.zoo.cells import find_cells

    if seeds < 2:
        raise ValueError(f"seeds is {seeds}; allowed: >= 2, for a spread")
    if page:
        check_markers(Path(page), MARKER)
    measured: dict[str, Any] = {}
    for cell in filter(has_batch_norm, find_cells(cells, Path(configs))):
        measured[cell.name] = [measure(cell, seed, Path(runs), Path(zoo)) for seed in range(seeds)]
        print(row(cell.name, measured[cell.name]), flush=True)
    command = command_of("recipes.bench.batch_statistics")
    kept = {key: environment()[key] for key in ("platform", "device", "cores", "versions", "commit")}
    record = {"command": command, "seeds": seeds, "environment": kept, "measured": measured}
    write_json(Path(out) / RESULTS, record)
    write_text(Path(out) / PAGE, text(record))
    if page:
        replace_between(Path(page), MARKER, table(record))


def has_batch_norm(cell: "Cell") -> bool:
    """Whether the cell's network has BatchNorm statistics that remember their start."""
    from hpnets.ntk import statistics_remember_start
    from hpnets.training.build import build

    return statistics_remember_start(build(cell.options(0))[0])


def measure(cell: "Cell", seed: int, runs: Path, zoo: Path) -> dict[str, float]:
    """The numbers of one seed; raises RuntimeError if the two ways of measuring end with different weights."""
    from hpnets.atomic_files import read_tensors
    from hpnets.ntk.metrics import relative_drift

    whole = read_tensors(trained(cell.options(seed), zoo / cell.name / f"seed{seed}").kernel)
    ways = [trained(early(cell, seed, way), runs / cell.name / f"{way}-seed{seed}") for way in WAYS]
    if len({folder.read_summary()["sha256"] for folder in ways}) > 1:
        raise RuntimeError(f"{ways[0].path} and {ways[1].path} end with different weights")
    running, ours = (read_tensors(folder.kernel) for folder in ways)
    at, start, last = ours["steps"].tolist().index(EARLY), running["kernel_first"], whole["kernel_last"]
    return {
        "start": float(start.norm() / ours["kernel_first"].norm()),
        "early_running": relative_drift(running["kernels"][at], start),
        "early_first": relative_drift(running["kernels"][at], ours["kernel_first"]),
        "early": relative_drift(ours["kernels"][at], ours["kernel_first"]),
        "end_running": relative_drift(last, start),
        "end": relative_drift(last, whole["kernel_first"]),
    }


def early(cell: "Cell", seed: int, way: Way) -> "RunOptions":
    """The options of a run of the first epochs, measured in this way."""
    options = cell.options(seed)
    ntk = dataclasses.replace(options.ntk, every=EARLY, save_kernels=True, batch_statistics=way)
    return dataclasses.replace(options, ntk=ntk, trainer=dataclasses.replace(options.trainer, max_epochs=EPOCHS))


def trained(options: "RunOptions", path: Path) -> "RunFolder":
    """The finished run in a folder; it is trained now if it is missing or has not ended."""
    from hpnets.training import RunFolder, train

    folder = RunFolder(path)
    if not folder.summary.is_file():
        train(options, path, resume=folder.env.is_file())
    return folder


def text(record: dict[str, Any]) -> str:
    """The whole page."""
    about = ABOUT.format(seeds=record["seeds"], early=EARLY, epochs=EPOCHS)
    return f"{about}\n```text\n{record['command']}\n```\n\n{table(record)}\n"


def table(record: dict[str, Any]) -> str:
    """A table with a row for each network; the network whose drift changes most comes first."""

    def factor(numbers: list[dict[str, float]]) -> float:
        return -sum(one["end_running"] for one in numbers) / sum(one["end"] for one in numbers)

    ordered = sorted(record["measured"].items(), key=lambda item: factor(item[1]))
    return "\n".join([HEAD, *(row(name, numbers) for name, numbers in ordered)])


def row(name: str, numbers: list[dict[str, float]]) -> str:
    """The row of one network, each number as mean +- standard deviation over its seeds."""
    from hpnets.report import spread
    from hpnets.statistics import mean_std

    return f"| `{name}` | {' | '.join(spread(mean_std([one[column] for one in numbers])) for column in COLUMNS)} |"


if __name__ == "__main__":
    run_command(batch_statistics)
