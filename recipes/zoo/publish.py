"""Publish finished runs: python -m recipes.zoo.publish --name ccp-digits --runs '[runs/a,runs/b,runs/c]'"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.parser import run_command

if TYPE_CHECKING:
    from hpnets.training import RunFolder
    from hpnets.zoo import Entry

MINIMUM_SEEDS = 3


def publish(name: str, runs: list[str], twins: list[str] | None = None, folder: str = "checkpoints") -> None:
    """Copy the first run's weights into the folder of checkpoints, and enter them in its index with all runs' spread.

    Args:
        name: the checkpoint's name
        runs: finished run folders, at least 3, which differ by their seed alone
        twins: run folders of the additive twin, with the same seeds and options except product: sum
        folder: the folder of index.json
    """
    from hpnets.training import RunFolder

    ours, theirs = ([RunFolder(Path(run)) for run in side] for side in (runs, twins or []))
    entry = publish_runs(name, ours, theirs, Path(folder))
    print(f"{name}: {entry.file}, {entry.metrics}")


def publish_runs(
    name: str,
    runs: "list[RunFolder]",
    twins: "list[RunFolder]",
    folder: Path,
    command: str | None = None,
    tuning: dict[str, Any] | None = None,
) -> "Entry":
    """Write the weights and the entry that is made of the runs, and return it.

    command: in place of the first run's. tuning: how the rates were chosen, where the twins may have one of their own.
    """
    from hpnets.atomic_files import read_tensors, sha256_of, write_tensors
    from hpnets.models.cost import cost
    from hpnets.training import load_run
    from hpnets.zoo.index import Entry, add_entry
    from recipes.zoo.record import kernel_of, metrics_of, seconds_of, twin_of

    seeds = check_same(runs)
    check_twins(runs, twins, own_rate=tuning is not None)
    net, task, summary = load_run(runs[0].path)
    environment, count = json.loads(runs[0].env.read_text()), cost(net, task.input_shape)
    file = f"{name}-{summary['sha256'][:8]}.safetensors"
    for old in folder.glob(f"{name}-????????.safetensors"):
        old.unlink()
    write_tensors(folder / file, read_tensors(runs[0].weights, summary["sha256"]))
    entry = Entry(
        name=name,
        file=file,
        sha256=sha256_of(folder / file),
        model=runs[0].options().model,
        task=runs[0].options().task,
        input_shape=list(task.input_shape),
        output_dim=task.output_dim,
        preprocessing=task.preprocessing,
        seeds=seeds,
        metrics=metrics_of([run.read_summary() for run in runs]),
        command=command or environment["command"],
        versions=environment["versions"],
        parameters=count.parameters,
        flops=count.flops,
        products=count.products,
        seconds=seconds_of(runs),
        kernel=kernel_of(runs),
        twin=twin_of(runs, twins, tuning) if twins else None,
        fingerprint=summary["fingerprint"],
    )
    add_entry(entry, folder)
    return entry


def check_same(runs: "list[RunFolder]") -> list[int]:
    """The seeds of the runs; raises ValueError if they are too few, or if the runs differ by more than the seed."""
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


def check_twins(runs: "list[RunFolder]", twins: "list[RunFolder]", own_rate: bool) -> None:
    """Raise ValueError unless the twins have the runs' options, in the same order, with product: sum.

    own_rate: they may have another learning rate.
    """
    if not twins:
        return
    wanted = [run.options().to_dict() for run in runs]
    for o in wanted:
        o["model"]["product"] = "sum"
    given = [run.options().to_dict() for run in twins]
    for o in (*wanted, *given):
        del o["wandb"]
        if own_rate:
            del o["optim"]["lr"]
    if wanted != given:
        raise ValueError(
            f"twins are {[str(run.path) for run in twins]}; allowed: the runs with model.product: sum, seed by seed"
        )


if __name__ == "__main__":
    run_command(publish)
