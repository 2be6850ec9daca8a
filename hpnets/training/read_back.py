"""The files of a run folder as input, which people edit and disks damage: each error names the file and the key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from hpnets.atomic_files import read_json, read_yaml
from hpnets.options import RunOptions
from hpnets.training.build import complete
from hpnets.validate import read, shown

# What may change between a run and its continuation: how long, where and beside what it runs, not what it computes.
RESUMABLE = (
    *("trainer.max_epochs", "trainer.devices", "trainer.accelerator", "trainer.strategy", "wandb"),
    *("task.root", "task.download", "task.num_workers"),
)
# What Lightning and `KeepOptions` put into a checkpoint, of which the first versions kept no options.
CHECKPOINT = {
    **dict.fromkeys(("state_dict", "callbacks", "loops", "options"), dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers"), list),
    **{"epoch": int, "global_step": int, "pytorch-lightning_version": str},
}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A ValueError inside names the file that it comes from."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_options(path: Path) -> RunOptions:
    """The options that a yaml file holds, without the defaults of their model and task.

    Raises ValueError that names the file for one that cannot be read, or does not hold options of a run.
    """
    content = read_yaml(path)
    with naming(path):
        options = RunOptions.from_dict(content)
        complete(options)  # refuses names and options of models and tasks that there are not
    return options


def check_checkpoint(path: Path, saved: Any) -> None:
    """ValueError unless a checkpoint that was read from `path` holds what a run goes on from."""
    with naming(path):
        for name, kind in CHECKPOINT.items():
            read(name, read("the checkpoint", saved, dict).get(name, {} if name == "options" else None), kind)


def check_unchanged(path: Path, options: RunOptions, before: dict[str, Any]) -> None:
    """ValueError if `options`, of the file `path`, are not those that the run began with, as its `to_dict` gave them.

    Those of RESUMABLE may differ, as may options that one of the two does not have, being of another version.
    """
    # As json, because yaml makes lists of tuples.
    now, then = (_flat(json.loads(json.dumps(d))) for d in (options.to_dict(), before))
    names = [name for name in now if name in then and name not in RESUMABLE and now[name] != then[name]]
    if names:
        changes = ", ".join(f"{name} is {shown(now[name])} and was {shown(then[name])}" for name in names[:3])
        raise ValueError(
            f"{path}: {changes}; allowed in a run that goes on: changes of {', '.join(RESUMABLE)}; for others start a "
            f"new run with --config {path}"
        )


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    groups = {key: value if isinstance(value, dict) else {"": value} for key, value in options.items()}
    return {f"{key}.{name}".rstrip("."): value for key, group in groups.items() for name, value in group.items()}


def read_summary(path: Path) -> dict[str, Any]:
    """summary.json; ValueError unless it holds what a finished run is read back and checked by."""
    summary = read_json(path)
    with naming(path):
        read("the summary", summary, dict)
        _entry(summary, "sha256", str)
        for name in _entry(summary, "metrics", dict):
            _entry(summary, f"metrics.{name}", float)
        for name, kind in (("probe", int), ("trace", float), ("eigenvalues", list[float])):
            _entry(summary, f"fingerprint.{name}", kind)
    return summary


def _entry(summary: dict[str, Any], name: str, kind: Any) -> Any:
    """The value at "key" or "key.name", read in its place as a kind."""
    key, _, rest = name.partition(".")
    inside, last = (read(key, summary.get(key), dict), rest) if rest else (summary, key)
    if last not in inside:
        raise ValueError(f"there is no {name}; allowed: all that a finished run writes")
    inside[last] = read(name, inside[last], kind)
    return inside[last]


def check_tensors(path: Path, tensors: dict[str, Any], expected: dict[str, Tensor], config: Path) -> None:
    """ValueError unless the tensors of the file `path` have the names and shapes that the network of `config` has."""
    for name in (*expected, *tensors):
        there, wanted = (d[name].shape if name in d else None for d in (tensors, expected))
        if there != wanted:
            shapes = [f"{tuple(shape)}" if shape is not None else "not there" for shape in (there, wanted)]
            raise ValueError(
                f"{path} is not of the network that {config} describes: {name} is {shapes[0]}, that of the network "
                f"{shapes[1]}; allowed: the options that the run was made with"
            )
