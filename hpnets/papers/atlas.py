"""The atlas of what a Hadamard product changes: effects against additive twins, from stored results alone."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_json
from hpnets.papers.phenomena import ONE_RATE, PHENOMENA, TUNED, OfStudy, OfZoo, claim_number
from hpnets.statistics import half_width
from hpnets.study import Result, Results

Document = dict[str, Any]
ZOO = "zoo"


@dataclass(frozen=True)
class Effect:
    """The mean of n paired differences net - twin, with half of Student's 95% interval (n - 1).

    source: the study, or "zoo". claim: the number of the study's claim behind it, 0 for the zoo. tuned: not so
    where the twin was trained at the rate of its net.
    """

    mean: float
    half: float
    n: int
    source: str
    claim: int = 0
    tuned: bool = True

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below 0, else 0."""
        return 0 if abs(self.mean) <= self.half else int(math.copysign(1, self.mean))

    def __str__(self) -> str:
        places = max(0, 1 - math.floor(math.log10(self.half))) if self.half else 3
        return f"{self.mean:+.{places}f} ± {self.half:.{places}f}"


@dataclass(frozen=True)
class Row:
    """A phenomenon with the effect in each family that has one."""

    of: OfStudy | OfZoo
    effects: dict[str, Effect]

    @property
    def rates(self) -> str:
        """How nets and twins were tuned."""
        if isinstance(self.of, OfStudy):
            return self.of.rates
        tuned = sum(effect.tuned for effect in self.effects.values())
        alike = f"{ONE_RATE} (in {len(self.effects) - tuned})" if tuned < len(self.effects) else ""
        own = f"{TUNED} (in {tuned})" if tuned else ""
        return "; ".join(filter(None, (own, alike)))


def atlas_rows(studies: Iterable[Path], index: Path, robust: Path | None = None) -> list[Row]:
    """The rows of the atlas, from folders of studies, the zoo's index, and its accuracies under attack.

    A study that is missing or of another version, and a twin with fewer than two seeds, have no effect.
    """
    pages = _pages(studies)
    entries = read_json(index)
    cells = read_json(robust)["cells"] if robust and robust.is_file() else {}
    return [
        Row(each, of_study(each, pages) if isinstance(each, OfStudy) else of_zoo(each, entries, cells))
        for each in PHENOMENA
    ]


def _pages(studies: Iterable[Path]) -> dict[str, Document]:
    pages = {}
    for folder in studies:
        try:
            page = read_json(folder / "results.json")
            if "--quick" not in page["command"]:  # small sizes show that a study runs, not what a product changes
                pages[page["name"]] = page
        except (ValueError, KeyError, TypeError):  # a damaged study; its own section of a report says so
            continue
    return pages


def of_study(row: OfStudy, pages: dict[str, Document]) -> dict[str, Effect]:
    """The effect of each family, if its study is there and has the claim behind it."""
    page = pages.get(row.study, {})
    try:
        results = Results(tuple(Result(c["function"], c["options"], c["result"]) for c in page["cells"]))
        numbers = {family: claim_number(page["claims"], words) for family, words in row.claims.items()}
    except (KeyError, TypeError):
        return {}
    measured = row.measure(results)
    told = {"tuned": row.rates != ONE_RATE}
    made = {family: effect(values, row.study, numbers.get(family), **told) for family, values in measured.items()}
    return {family: each for family, each in made.items() if each}


def effect(differences: Sequence[float], source: str, claim: int | None, tuned: bool = True) -> Effect | None:
    """The effect of paired differences; None without a claim, of fewer than two, or if one is not finite."""
    if claim is None or len(differences) < 2 or not all(map(math.isfinite, differences)):
        return None
    n, mean = len(differences), statistics.fmean(differences)
    return Effect(mean, half_width(statistics.stdev(differences), n), n, source, claim, tuned)


def of_zoo(row: OfZoo, entries: list[Document], cells: dict[str, Document]) -> dict[str, Effect]:
    """The effect of each classifier of the row's task that has a twin and this measure."""
    made = {}
    for entry in entries:
        if entry["task"]["name"] == row.task and entry["twin"] and "test/accuracy" in entry["metrics"]:
            each = _attacked(cells.get(entry["name"]), row.radius) if row.radius else _stored(entry, row.path)
            if each:
                made[entry["model"]["name"]] = Effect(*each, ZOO, tuned=bool(entry["twin"].get("tuning")))
    return made


def _stored(entry: Document, path: Sequence[str]) -> tuple[float, float, int] | None:
    value: Any = entry
    for key in path:
        value = (value or {}).get(key)
    n = len(entry["twin"]["seeds"])
    return (value["mean"], half_width(value["std"], n), n) if value and n > 1 else None


def _attacked(cell: Document | None, radius: str) -> tuple[float, float, int] | None:
    if not cell or not cell["twin"] or radius not in cell["net"]:
        return None
    made = effect([a - b for a, b in zip(cell["net"][radius], cell["twin"][radius], strict=True)], ZOO, 0)
    return (made.mean, made.half, made.n) if made else None


def families(rows: Sequence[Row], studied: bool) -> list[str]:
    """The families that have an effect: those with one of a study, most effects first, or those of the zoo alone."""
    counts: dict[str, int] = {}
    of_studies = {family for row in rows if isinstance(row.of, OfStudy) for family in row.effects}
    for family in (family for row in rows for family in row.effects if (family in of_studies) == studied):
        counts[family] = counts.get(family, 0) + 1
    return sorted(counts, key=lambda family: (-counts[family], family) if studied else (0, family))


def quote(rows: Sequence[Row]) -> str:
    """A paragraph that can be quoted: how many effects exclude 0, and in which direction, by phenomenon."""
    all_effects = [each for row in rows for each in row.effects.values()]
    names = {family for row in rows for family in row.effects}
    told = sum(each.sign != 0 for each in all_effects)
    alike = sum(not each.tuned for each in all_effects)
    parts = [text for row in rows if (text := _direction(row))]
    none = [row.of.unit for row in rows if row.effects and not any(each.sign for each in row.effects.values())]
    rest = f" In no family told from 0: {'; '.join(none)}." if none else ""
    return (
        f"Of {len(all_effects)} effects of a Hadamard product against its additive twin, in {len(names)} families of "
        f"networks, {told} have a 95% interval without 0. The product, so far as it was measured: {'; '.join(parts)}."
        f"{rest} Of {len(all_effects)} such intervals some {max(1, round(len(all_effects) / 20))} miss by chance, and "
        f"in {alike} of them net and twin had one rate, not tuned for either."
    )


def _direction(row: Row) -> str:
    """ "is more robust in 16 of 28 families (is less robust in 1)", the more frequent direction first."""
    signs = [each.sign for each in row.effects.values()]
    sides = sorted(((signs.count(1), row.of.raises), (signs.count(-1), row.of.lowers)), reverse=True)
    (most, words), (least, others) = sides
    if not most:
        return ""
    families_of = "family" if len(signs) == 1 else "families"
    return f"{words} in {most} of {len(signs)} {families_of}{f' ({others} in {least})' if least else ''}"
