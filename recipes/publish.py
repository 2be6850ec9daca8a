"""Publish finished runs: python recipes/publish.py --name ccp-digits --runs '[runs/a,runs/b,runs/c]'"""

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import auto_cli

from hpnets.cli import Parser, run_main

if TYPE_CHECKING:
    from hpnets.training import RunFolder

MINIMUM_SEEDS = 3


def publish(name: str, runs: list[str], folder: str = "checkpoints", page: str | None = None) -> None:
    """Copy the first run's weights into the folder of checkpoints and enter them, with the spread of all runs.

    Args:
        name: of the checkpoint
        runs: finished run folders, at least 3, which differ by their seed alone
        folder: where index.json lies
        page: a page whose table of checkpoints is written anew, such as README.md
    """
    from hpnets.files import read_tensors, sha256_of, write_tensors
    from hpnets.report import check_markers, pretrained_table, replace_between
    from hpnets.training import RunFolder, load_run
    from hpnets.zoo.index import INDEX, Entry, add_entry

    if page:
        check_markers(Path(page), "pretrained")
    folders = [RunFolder(Path(run)) for run in runs]
    seeds = check_same(folders)
    summaries = [run.read_summary() for run in folders]
    _, task, summary = load_run(folders[0].path)
    file = f"{name}-{summary['sha256'][:8]}.safetensors"
    for old in Path(folder).glob(f"{name}-????????.safetensors"):
        old.unlink()
    write_tensors(Path(folder) / file, read_tensors(folders[0].weights, summary["sha256"]))
    options = folders[0].options()
    environment = json.loads(folders[0].env.read_text())
    entry = Entry(
        name=name,
        file=file,
        sha256=sha256_of(Path(folder) / file),
        model=options.model,
        task=options.task,
        input_shape=list(task.input_shape),
        output_dim=task.output_dim,
        preprocessing=task.preprocessing,
        seeds=seeds,
        metrics=spread([s["metrics"] for s in summaries]),
        command=environment["command"],
        versions=environment["versions"],
        fingerprint=summary["fingerprint"],
    )
    add_entry(entry, Path(folder))
    if page:
        replace_between(Path(page), "pretrained", pretrained_table(Path(folder) / INDEX))
    print(f"{name}: {file}, {entry.metrics}")


def check_same(runs: "list[RunFolder]") -> list[int]:
    """The seeds of the runs; ValueError if they are too few, or if the runs differ by more than the seed."""
    options = [run.options().to_dict() for run in runs]
    seeds = [o.pop("seed") for o in options]
    if len(set(seeds)) < MINIMUM_SEEDS:
        raise ValueError(f"runs have the seeds {seeds}; allowed: at least {MINIMUM_SEEDS} different ones")
    for run, other in zip(runs, options, strict=True):
        differing = [key for key in other if key != "wandb" and other[key] != options[0][key]]
        if differing:
            raise ValueError(
                f"{run.path} differs from {runs[0].path} in {', '.join(differing)}; allowed: the seed only"
            )
    return seeds


def spread(metrics: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Per metric its value for the first run, and mean and standard deviation over all."""
    return {
        key: {
            "weights": metrics[0][key],
            "mean": statistics.mean(m[key] for m in metrics),
            "std": statistics.stdev(m[key] for m in metrics),
        }
        for key in metrics[0]
    }


if __name__ == "__main__":
    run_main(lambda: auto_cli(publish, parser_class=Parser, as_positional=False))
