"""Write the table of hpnets.ntk's public names: python -m recipes.docs.reference --page docs/reference/ntk.md"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import get_origin

from hpnets.commands.parser import run_command

MARKER = "hpnets.ntk"


def reference(page: str) -> None:
    """Write the table of public names into a page, between <!-- hpnets.ntk --> and <!-- end hpnets.ntk -->.

    Args:
        page: the page, such as docs/reference/ntk.md
    """
    from hpnets.report import replace_between

    replace_between(Path(page), MARKER, table())


def table() -> str:
    """One row for each public name of ntk, its metrics, linalg and curvature, and for each method of its classes."""
    from hpnets import curvature, linalg, ntk

    listed = [*rows(ntk, ""), *rows(ntk.metrics, "metrics."), *rows(linalg, "hpnets.linalg.")]
    listed += rows(curvature, "hpnets.curvature.")
    lines = [f"| `{escaped(name)}` | {escaped(text)} |" for name, text in listed]
    return "\n".join(["| name | what it is |", "| --- | --- |", *lines])


def rows(module: ModuleType, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (name with arguments, first line of the docstring) for each name in the __all__ of `module`."""
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, Mapping):
            yield prefix + name, f"a {type(value).__name__} with the keys {', '.join(value)}"
            continue
        if isinstance(value, int) or get_origin(value):
            yield prefix + name, f"`{value}`".replace("typing.", "").replace("torch.", "")
            continue
        yield prefix + name + arguments(value), first_line(value)
        if inspect.isclass(value):
            yield from methods(value, prefix + name)


def methods(cls: type, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of a class's own public methods and properties that have a docstring."""
    for name, member in vars(cls).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)) and member.__doc__:
            yield f"{prefix}.{name}{arguments(member)}", first_line(member)


def arguments(value: object) -> str:
    """The arguments and defaults, without types; for a dataclass its fields; "" for an exception or a non-callable."""
    if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
        return ""
    hidden = {"self"}
    if dataclasses.is_dataclass(value):
        hidden |= {field.name for field in dataclasses.fields(value) if not field.repr}
    signature = inspect.signature(value)
    shown = [p for p in signature.parameters.values() if p.name not in hidden]
    shown = [p.replace(annotation=inspect.Parameter.empty) for p in shown]
    return str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))


def first_line(value: object) -> str:
    """The first line of a docstring, "" if there is none."""
    return (inspect.getdoc(value) or "").partition("\n")[0]


def escaped(text: str) -> str:
    """Text for a cell of a table, in which | is escaped, since it would end the cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    run_command(reference)
