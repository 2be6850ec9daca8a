"""Reading the files of a run folder, which people edit and disks damage: each error names the file and the key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from hpnets.atomic_files import read_json, read_yaml
from hpnets.imported import hint
from hpnets.options import RunOptions
from hpnets.training.build import complete
from hpnets.validate import read, shown

# These options may change when a run is continued: how long, where and beside what it runs, not what it computes.
RESUMABLE = (
    *("trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "trainer.save_every"),
    *("trainer.devices", "trainer.num_nodes", "trainer.accelerator", "trainer.strategy", "wandb"),
    *("task.root", "task.file", "task.download", "task.verify", "task.num_workers"),
)
# How the errors begin of names that no registry holds.
REGISTERED = ("unknown ", "optim.name ", "optim.schedule ")
# The entries of a checkpoint from Lightning and `KeepOptions`, with their types; old checkpoints have no options.
CHECKPOINT = {
    **dict.fromkeys(("state_dict", "callbacks", "loops", "options"), dict),
    **dict.fromkeys(("optimizer_states", "lr_schedulers"), list),
    **{"epoch": int, "global_step": int, "pytorch-lightning_version": str},
}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's path in front of the message of a ValueError that is raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_options(path: Path) -> RunOptions:
    """The options that a yaml file holds, without the defaults of their model and task.

    Raises ValueError, which names the file, if it cannot be read or does not hold options of a run.
    """
    content = read_yaml(path)
    with naming(path):
        options_of(content)
    return RunOptions.from_dict(content)


def options_of(content: Any) -> RunOptions:
    """The complete options that the content of a config.yaml or a checkpoint stands for; ValueError as `complete`."""
    try:
        return complete(RunOptions.from_dict(content))
    except ValueError as error:
        imports = content.get("imports") if isinstance(content, dict) else None
        known = imports if str(error).startswith(REGISTERED) and isinstance(imports, dict) else {}
        raise ValueError(f"{error}{hint(known)}") from None


def check_checkpoint(path: Path, saved: Any) -> None:
    """Raise ValueError unless the checkpoint `saved`, read from `path`, holds all that a resumed run needs."""
    with naming(path):
        for name, kind in CHECKPOINT.items():
            read(name, read("the checkpoint", saved, dict).get(name, {} if name == "options" else None), kind)


def check_unchanged(path: Path, options: RunOptions, before: dict[str, Any]) -> None:
    """Raise ValueError if `options`, from the file `path`, differ from `before`, those that the run began with.

    The options in RESUMABLE may differ, and so may options that only one side has, since it is of another version.
    """
    # Both sides go through json, which makes tuples lists, as yaml does.
    now, then = (_flat(json.loads(json.dumps(d))) for d in (options.to_dict(), before))
    names = [name for name in now if name in then and not may_change(name) and now[name] != then[name]]
    if names:
        changes = ", ".join(f"{name} is {shown(now[name])} and was {shown(then[name])}" for name in names[:3])
        raise ValueError(
            f"{path}: {changes}; allowed in a run that goes on: changes of {', '.join(RESUMABLE)}; for others start a "
            f"new run with --config {path}"
        )


def may_change(name: str) -> bool:
    """Whether an option, or its whole group, is in RESUMABLE."""
    return name in RESUMABLE or name.partition(".")[0] in RESUMABLE


def _flat(options: dict[str, Any]) -> dict[str, Any]:
    groups = {key: value if isinstance(value, dict) else {"": value} for key, value in options.items()}
    return {f"{key}.{name}".rstrip("."): value for key, group in groups.items() for name, value in group.items()}


def read_summary(path: Path) -> dict[str, Any]:
    """The content of summary.json; raises ValueError unless it holds all that a finished run is checked by."""
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
    """The value at "key" or "key.name", read as `kind` and put back in its place."""
    key, _, rest = name.partition(".")
    inside, last = (read(key, summary.get(key), dict), rest) if rest else (summary, key)
    if last not in inside:
        raise ValueError(f"there is no {name}; allowed: all that a finished run writes")
    inside[last] = read(name, inside[last], kind)
    return inside[last]


def check_tensors(path: Path, tensors: dict[str, Any], expected: dict[str, Tensor], config: Path) -> None:
    """Raise ValueError unless the tensors of the file `path` have the names and shapes of the network of `config`."""
    for name in (*expected, *tensors):
        there, wanted = (d[name].shape if name in d else None for d in (tensors, expected))
        if there != wanted:
            shapes = [f"{tuple(shape)}" if shape is not None else "not there" for shape in (there, wanted)]
            raise ValueError(
                f"{path} is not of the network that {config} describes: {name} is {shapes[0]}, that of the network "
                f"{shapes[1]}; allowed: the options that the run was made with"
            )
