"""`hpnets train --resume FOLDER`: the options of a run that goes on, and those that flags change."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.registry import nearest
from hpnets.validate import shown

if TYPE_CHECKING:
    from hpnets.options import RunOptions

TRUTH = {"true": True, "false": False}


def resumed_run(argv: list[str]) -> tuple[Path, "RunOptions"]:
    """The folder that --resume names, and the options of its run, with those changed that other flags name.

    Raises ValueError for a flag that may not change in a run that goes on, and for a folder that is not of a run.
    """
    from hpnets.training import RunFolder
    from hpnets.training.read_back import RESUMABLE, may_change

    flags = flags_of(argv)
    folder = Path(flags.pop("resume"))
    for name, value in flags.items():
        if not may_change(name):
            raise ValueError(
                f"--{name} {shown(value)} is given with --resume; allowed: changes of {', '.join(RESUMABLE)}; "
                f"{nearest(name, RESUMABLE)}"
            )
    options = RunFolder(folder).options()
    return folder, changed(options, flags) if flags else options


def flags_of(argv: list[str]) -> dict[str, str]:
    """The values of the flags by name; a flag that no value follows is true. ValueError for words that are no flags."""
    flags: dict[str, str] = {}
    words = list(argv)
    while words:
        name, given, value = words.pop(0).partition("=")
        if not name.startswith("--"):
            raise ValueError(f"{shown(name)} is given with --resume; allowed: flags")
        if not given:
            value = words.pop(0) if words and not words[0].startswith("--") else "true" if name != "--resume" else ""
        flags[name.removeprefix("--")] = value
    if not flags["resume"]:
        raise ValueError("--resume is ''; allowed: the folder of a run")
    return flags


def changed(options: "RunOptions", flags: dict[str, str]) -> "RunOptions":
    """`options` with the values of the flags, by full names such as trainer.max_epochs, read as their types ask."""
    from hpnets.options import RunOptions
    from hpnets.training.build import complete

    config: dict[str, Any] = options.to_dict()
    for name, value in flags.items():
        group, _, key = "wandb.mode".rpartition(".") if name == "wandb" else name.rpartition(".")
        (config[group] if group else config)[key] = TRUTH.get(value, value)
    return complete(RunOptions.from_dict(config))
