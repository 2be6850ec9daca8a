"""Name -> entry tables that answer a wrong name or option with the nearest valid ones. Imports no torch.

An entry registers itself, by a decorator in its own file; `import_all` imports the files of a package, so that no list
names them.
"""

import difflib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from importlib import import_module
from typing import Any, Generic, TypeVar

from hpnets.option_sets import Option, declared, option_docs

T = TypeVar("T")
PYTHON = "python:"  # begins the name of what Python code handed over, and no registry holds


def nearest(word: str, allowed: Iterable[str]) -> str:
    """'did you mean ...' for a mistyped word, or the whole list where nothing is near."""
    options = sorted(allowed)
    close = difflib.get_close_matches(word, options, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(options)}"


def import_all(package: str, path: Iterable[str]) -> None:
    """Import the modules of a package, by name, from its own `__init__`: import_all(__name__, __path__)."""
    for module in pkgutil.iter_modules(path):
        import_module(f"{package}.{module.name}")


class Registry(Generic[T]):
    """Entries by name; `kind` is the word that error messages use ("metric", "optimiser")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    @property
    def entries(self) -> Mapping[str, T]:
        """All of them, in the order in which they registered."""
        return self._entries

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters a class or function under `name`; raises ValueError if it is taken."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered already, by {self._entries[name]!r}")
            self._entries[name] = entry
            return entry

        return enter

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a shell pattern such as "*ccp*"."""
        return sorted(name for name in self._entries if fnmatch(name, pattern))

    def get(self, name: str) -> T:
        """The entry called `name`; raises ValueError with the nearest names."""
        if isinstance(name, str) and name.startswith(PYTHON):
            raise ValueError(
                f"{self.kind} is {name!r}, an object that Python code handed to `train`; allowed: the same code, with "
                "train(..., resume=True, net=..., task=...) or load_run(..., net=..., task=...)"
            )
        if not isinstance(name, str) or name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}; {nearest(str(name), self._entries)}")
        return self._entries[name]

    def summary(self, name: str) -> str:
        """The first sentence of the docstring of `name`, "" where it has none; raises ValueError as `get` does."""
        paragraph = inspect.cleandoc(self.get(name).__doc__ or "").split("\n\n")[0]
        return " ".join(paragraph.split()).split(". ")[0].rstrip(".")


class ClassRegistry(Registry[Callable[..., T]]):
    """Classes, or functions that choose one, by name; it builds what they make ("model", "task")."""

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """The constructor's parameters of `name`, in order, with their plain types."""
        return declared(self.get(name))

    def option_docs(self, name: str) -> dict[str, Option]:
        """What each option of `name` is, of those that are declared with a text."""
        return option_docs(self.get(name))

    def create(self, name: str, **kwargs: Any) -> T:
        """Build `name`; raises ValueError for an option that it does not have."""
        allowed = self.options(name)
        for key in kwargs:
            if key not in allowed:
                raise ValueError(f"{self.kind} {name!r} has no option {key!r}; {nearest(key, allowed)}")
        return self.get(name)(**kwargs)
