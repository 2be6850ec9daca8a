"""A paper is a study in a folder of its own, with sizes, cells, claims and figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Protocol

from hpnets.study.cells import Cell
from hpnets.study.claims import Claim, Judged
from hpnets.study.figures import Figure
from hpnets.study.results import Results


class Sizes(Protocol):
    """The sizes of a study: a frozen dataclass of plain options with `seeds`, the number of seeds (0 .. seeds - 1)."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def seeds(self) -> int: ...


@dataclass(frozen=True)
class Paper:
    """A paper: its text, its sizes, and a package whose other modules are imported only when they are used.

    These have the functions cells.cells(sizes) -> list[Cell], claims.claims(sizes) -> list[Claim],
    claims.abstract(results, sizes) -> four sentences, and figures.figures(results, sizes) -> list[Figure].
    setting: the text that says what was run, with fields of the sizes in braces. options: the fields of the sizes that
    the command line offers, with their help.
    """

    package: str
    title: str
    source: str
    setting: str
    sizes: Sizes
    quick: Sizes
    tiny: Sizes
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the folder, by which `hpnets study NAME` finds it."""
        return self.package.rpartition(".")[2]

    def cells(self, sizes: Sizes) -> list[Cell]:
        """All cells of the study, in their order."""
        return list(self._module("cells").cells(sizes))

    def claims(self, sizes: Sizes) -> list[Claim]:
        """All claims, before anything is measured."""
        return list(self._module("claims").claims(sizes))

    def figures(self, results: Results, sizes: Sizes) -> list[Figure]:
        """The figures of the page."""
        return list(self._module("figures").figures(results, sizes))

    def abstract(self, results: Results, sizes: Sizes, judged: list[Judged]) -> list[str]:
        """The abstract's five sentences: the paper's own four, and one that counts the verdicts."""
        return [*self._module("claims").abstract(results, sizes), tally(judged)]

    def about(self, sizes: Sizes) -> str:
        """The text that says what was run at these sizes."""
        return self.setting.format(**asdict(sizes))

    def _module(self, name: str) -> Any:
        return import_module(f"{self.package}.{name}")


def tally(judged: list[Judged]) -> str:
    """One sentence that counts the verdicts."""
    counts = {word: sum(j.verdict == word for j in judged) for word in ("not reproduced", "contradicted")}
    seen = len(judged) - sum(counts.values())
    rest = " and ".join(f"{n} {word}" for word, n in counts.items() if n)
    are = "was" if seen == 1 else "were"
    return f"Of {len(judged)} statements {seen} {are} reproduced{f', {rest}' if rest else ''}."
