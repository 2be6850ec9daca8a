"""The model and the task that a command line or its config file names, and their options as dataclasses."""

import dataclasses
import os
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_yaml
from hpnets.option_sets import Option
from hpnets.validate import shown

DEFAULTS = {"model": "ccp", "task": "digits"}
GROUPS = ("model", "task", "optim", "ntk", "curvature", "trainer", "gan", "adversarial")


def chosen_names(argv: list[str]) -> dict[str, str | None]:
    """The names of the model and the task; None if the command line leaves the default."""
    return {kind: chosen_name(kind, argv) for kind in DEFAULTS}


def is_flag(word: str, kind: str) -> bool:
    """Whether `word` is --KIND or --KIND=NAME, such as --model=ccp."""
    return word == f"--{kind}" or word.startswith(f"--{kind}=")


def chosen_name(kind: str, argv: list[str]) -> str | None:
    """The model's or task's name, given by a flag or else by the config file; None if neither gives it."""
    name = None
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        if is_flag(word, kind) or is_flag(word, f"{kind}.name"):
            name = word.partition("=")[2] if "=" in word else following
        elif is_flag(word, "config") and name is None:
            name = name_in_config(kind, Path(word.partition("=")[2] or following))
    return name


def name_in_config(kind: str, config: Path) -> str | None:
    """The name in a config file, or None; raises ValueError for a file that is not made of groups of options."""
    if not os.path.isfile(config):
        return None  # the parser reports a missing file
    content = read_yaml(config)
    groups = {"the configuration": content}
    if isinstance(content, dict):
        groups |= {key: content[key] for key in GROUPS if key in content}
    for key, group in groups.items():
        if not isinstance(group, dict):
            raise ValueError(
                f"{config}: {key} is {shown(group)}; allowed: options by name, as --print_config shows them"
            )
    name = groups.get(kind, {}).get("name")
    return None if name is None else str(name)


def options_type(kind: str, name: str, ask: bool) -> type:
    """A dataclass with `name` and, if `ask`, the options of that model or task; its docstring describes each."""
    fields: list[Any] = [("name", str, name)]
    docs: dict[str, Option] = {}
    if ask:
        from hpnets.models import model_option_docs, model_options
        from hpnets.tasks import task_option_docs, task_options

        docs = (model_option_docs if kind == "model" else task_option_docs)(name)
        for key, p in (model_options if kind == "model" else task_options)(name).items():
            fields.append((key, p.annotation, dataclasses.field(default_factory=partial(copy, p.default))))
    # jsonargparse reads the help of an option from the docstring.
    lines = [f"    {key}: {option.line}" for key, option in docs.items()]
    text = "\n".join([f"The options of {name}.", "", "Args:", *lines])
    return dataclasses.make_dataclass(kind.capitalize(), fields, namespace={"__doc__": text})
