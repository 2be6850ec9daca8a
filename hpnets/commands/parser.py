"""A function's signature becomes a command line; errors are one line with the nearest flags. Imports no torch."""

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, get_args

from jsonargparse import ArgumentParser, auto_cli

from hpnets.commands.process import fail, program, run_main
from hpnets.registry import nearest
from hpnets.validate import WORDS, list_in_words

LISTS = (list[int], list[float], list[str], tuple[int, ...], tuple[float, float])
# Words for the types of options, by the names that jsonargparse gives them.
TYPES = {repr(kind): word for kind, (word, _) in WORDS.items()}
TYPES |= {repr(kind): list_in_words(get_args(kind)[0]) for kind in LISTS} | {repr(list): "a list"}
Function = Callable[..., object]


def run_command(function: Function | dict[str, Function]) -> None:
    """Run a function, or one of several that the first word names, with the options on this process's command line."""
    run_main(lambda: call(function, sys.argv[1:]))


def call(
    function: Function | dict[str, Function], argv: list[str], parser_class: type[ArgumentParser] | None = None
) -> None:
    """Call a function, or the one of several that the first word names, with the options in `argv`.

    The flag of an option that is true or false stands for true if no value follows it.
    """
    functions = list(function.values()) if isinstance(function, dict) else [function]
    components: Any = function  # auto_cli's annotation allows only a dict of Any
    words = with_values(argv, {name for each in functions for name in flags_of(each)})
    auto_cli(components, args=words, parser_class=parser_class or Parser, as_positional=False)


def flags_of(function: Function) -> list[str]:
    """The names of a function's options that are true or false."""
    return [name for name, option in inspect.signature(function).parameters.items() if option.annotation is bool]


def with_values(argv: list[str], flags: Iterable[str]) -> list[str]:
    """`argv` with --flag=true in place of each --flag that is not followed by true or false."""
    alone = {f"--{flag}" for flag in flags}
    pairs = zip(argv, [*argv, ""][1:], strict=True)
    return [
        f"{word}=true" if word in alone and after.lower() not in ("true", "false") else word for word, after in pairs
    ]


class Parser(ArgumentParser):
    """An ArgumentParser without abbreviations; an error prints one line and exits with 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"prog": program(), **kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        message = re.sub(r'Parser key "([\w.]+)"', r"--\1", " ".join(message.split()))
        if off := re.search(r"(--[\w.]+): .*'off'.* value: False", message):
            fail(f"{off[1]} is false, which yaml makes of off; allowed: 'off', in quotes")
        choice = re.search(r"(--[\w.]+): Expected a typing\.Literal\[(.+?)\]\. Got value: (.*)", message)
        if choice:
            allowed = re.findall(r"'([^']+)'", choice[2])
            fail(f"{choice[1]} is {choice[3]!r}; {nearest(choice[3], allowed)}")
        if refused := wrong_type(message):
            fail(refused)
        wrong = wrong_flag(message)
        fail(f"{message}; {nearest(wrong, self.flags())}" if wrong else message)

    def flags(self) -> list[str]:
        """The flags that a mistyped one is compared with."""
        return [flag for flag in self._option_string_actions if flag.startswith("--")]


def wrong_type(message: str) -> str:
    """The message for a value of a wrong type: flag, value and the types allowed; "" for other complaints."""
    one, several = (
        r"Expected a (<class '\w+'>)\. Got",
        r"Does not validate against any .* Subtypes: \[(.+)\] Errors: .* Given",
    )
    match = re.search(rf"(--[\w.]+): (?:{one}|{several}) value:(.*)", message)
    if not match:
        return ""
    allowed = re.sub(r"typing\.Literal\[(.+?)\]", r"\1", match[2] or match[3])
    for name, words in TYPES.items():
        allowed = allowed.replace(name, words)
    allowed = ", ".join(dict.fromkeys(allowed.split(", ")))
    return f"{match[1]} is {match[4].strip()!r}; allowed: {allowed}"


def wrong_flag(message: str) -> str:
    """The unknown flag, or key of a config file as a flag, in jsonargparse's message; "" for other complaints."""
    if match := re.search(r"[Uu]nrecognized arguments: ([^\s=]+)", message):
        return "--" + match[1].lstrip("-")
    if match := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
        return f"--{match[1]}.{match[2]}"
    match = re.search(r"Option '([\w.]+)' is not accepted", message)
    return f"--{match[1]}" if match else ""
