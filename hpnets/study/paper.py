"""A paper as a study: a folder with sizes, cells, claims and figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Protocol

from hpnets.study.cells import Cell
from hpnets.study.claims import Claim, Judged
from hpnets.study.figures import Figure
from hpnets.study.results import Results


class Sizes(Protocol):
    """How large a study is: a frozen dataclass of plain options, `seeds` (0 .. seeds - 1 are drawn) among them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def seeds(self) -> int: ...


@dataclass(frozen=True)
class Paper:
    """A paper whose package has, beside `sizes`, three modules that are imported only when they are used:

    cells.cells(sizes) -> list[Cell]; claims.claims(sizes) -> list[Claim] and claims.abstract(results, sizes), four
    sentences; figures.figures(results, sizes) -> list[Figure]. `setting` says what was run, with {sizes} in braces.
    `options`: fields of the sizes that the command line offers, with what they are.
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
        """All cells of the study, in order."""
        return list(self._module("cells").cells(sizes))

    def claims(self, sizes: Sizes) -> list[Claim]:
        """Every statement, before anything is measured."""
        return list(self._module("claims").claims(sizes))

    def figures(self, results: Results, sizes: Sizes) -> list[Figure]:
        """The figures of the page."""
        return list(self._module("figures").figures(results, sizes))

    def abstract(self, results: Results, sizes: Sizes, judged: list[Judged]) -> list[str]:
        """Five sentences: the paper's four, and how many statements were reproduced."""
        return [*self._module("claims").abstract(results, sizes), tally(judged)]

    def about(self, sizes: Sizes) -> str:
        """What was run, at these sizes."""
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
