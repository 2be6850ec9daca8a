"""A name -> class table that answers a wrong name or option with the nearest valid ones."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from typing import Any, Generic, TypeVar

from hpnets.option_sets import Option, declared, option_docs

T = TypeVar("T")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """'did you mean ...' for a mistyped word, or the whole list where nothing is near."""
    options = sorted(allowed)
    close = difflib.get_close_matches(word, options, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(options)}"


class Registry(Generic[T]):
    """Classes by name; `kind` is the word that error messages use ("model", "task")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that enters the class under `name`; raises ValueError if it is taken."""

        def enter(cls: type[T]) -> type[T]:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered already, by {self._entries[name]!r}")
            self._entries[name] = cls
            return cls

        return enter

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a shell pattern such as "*ccp*"."""
        return sorted(name for name in self._entries if fnmatch(name, pattern))

    def get(self, name: str) -> type[T]:
        """The class called `name`; raises ValueError with the nearest names."""
        if not isinstance(name, str) or name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}: {nearest(str(name), self._entries)}")
        return self._entries[name]

    def summary(self, name: str) -> str:
        """The first sentence of the docstring of `name`, "" where it has none; raises ValueError as `get` does."""
        paragraph = inspect.cleandoc(self.get(name).__doc__ or "").split("\n\n")[0]
        return " ".join(paragraph.split()).split(". ")[0].rstrip(".")

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
                raise ValueError(f"{self.kind} {name!r} has no option {key!r}: {nearest(key, allowed)}")
        return self.get(name)(**kwargs)
