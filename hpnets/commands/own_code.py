"""--import FILE, which is taken from the command line before its parser is made: it registers what the parser names."""

import json
import os
import re
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_yaml
from hpnets.commands.parser import Parser
from hpnets.imported import Imports, import_given, import_recorded

FLAG = "--import"


def take_imports(argv: list[str]) -> tuple[list[str], Imports]:
    """`argv` without its --import flags, and what they name, imported; ValueError for what cannot be imported."""
    words, names = [], []
    rest = iter(argv)
    for word in rest:
        if word == FLAG:
            names.append(next(rest, ""))
        elif word.startswith(f"{FLAG}="):
            names.append(word.partition("=")[2])
        elif word.partition("=")[0] == "--imports":
            raise ValueError(f"unrecognized arguments: --imports; did you mean {FLAG}?")
        else:
            words.append(word)
    if any(not name or name.startswith("--") for name in names):
        raise ValueError(f"{FLAG} has no value; allowed: a Python file or the name of a module")
    return words, import_given(names)


def recorded_in(config: Path) -> Imports:
    """What a config file says that a run imported; {} if it has no such part, since others report what is wrong."""
    content: Any = read_yaml(config) if os.path.isfile(config) else None  # Path.is_file raises for too long a name
    recorded = content.get("imports") if isinstance(content, dict) else None
    if recorded is None:
        return {}
    if not isinstance(recorded, dict) or not all(isinstance(t, str) for item in recorded.items() for t in item):
        raise ValueError(f"{config}: imports is {recorded!r}; allowed: the sha256 of each file, by its name")
    return recorded


def import_configured(argv: list[str], given: Imports) -> Imports:
    """All imports of a command line: those given, and those that its --config or --resume names, if unchanged.

    A new run may import a file that was changed since: it is given again, and counts in the place of the recorded one.
    """
    imports = given
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        flag, _, value = word.partition("=")
        place = Path(value or following)
        if not place.name:
            continue  # the flag lacks its value, as the parser will say
        if flag == "--config":
            recorded = {name: sha for name, sha in recorded_in(place).items() if name not in given}
            imports = import_recorded(place, recorded, imports)
        elif flag == "--resume":
            imports = import_recorded(place / "config.yaml", recorded_in(place / "config.yaml"), imports)
    return imports


def as_words(imports: Imports) -> list[str]:
    """The words that hand the imports to the parser, whose function cannot have a parameter of the flag's name."""
    return [f"--imports={json.dumps(imports)}"] if imports else []


class ImportParser(Parser):
    """A parser of a command that takes --import; its function has the parameter `imports` in that place."""

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        action = self._option_string_actions["--imports"]
        action.option_strings, action.metavar = [FLAG], "FILE"
        text = super().format_help(*args, **kwargs)
        return re.sub(r"\s+\(type:\s+Optional\[dict\[str,\s+str\]\],\s+default:\s+null\)", "", text)

    def flags(self) -> list[str]:
        return [FLAG if flag == "--imports" else flag for flag in super().flags()]
