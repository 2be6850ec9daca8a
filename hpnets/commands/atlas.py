"""The atlas of what a product changes, as a report shows it: of the studies on its page, and of the zoo."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpnets.papers.atlas import Row

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def studies_of_checkout(results: Path = RESULTS) -> list[Path]:
    """The folders of the studies that come with a checkout; raises ValueError where there are none."""
    folders = sorted(path.parent for path in (results / "papers").glob("*/results.json"))
    if not folders:
        raise ValueError("atlas is given without studies; allowed: folders of `hpnets study`, or none in a checkout")
    return folders


def read_atlas(studies: Sequence[Path], index: Path, results: Path = RESULTS) -> dict[str, Any]:
    """The quote, the table by phenomenon, and the table by family of those that the zoo alone measured.

    studies: the folders that are on the page, to which the cells link.
    """
    from hpnets.papers.atlas import OfZoo, atlas_rows, families, quote

    rows = [row for row in atlas_rows(studies, index, results / "zoo" / "robust.json") if row.effects]
    names, others = families(rows, studied=True), families(rows, studied=False)
    zoo = [row for row in rows if isinstance(row.of, OfZoo)]
    return {
        "quote": quote(rows),
        "families": names,
        "rows": [
            {"name": row.of.name, "unit": f"{row.of.unit}; {row.rates}", "cells": [_cell(row, name) for name in names]}
            for row in rows
        ],
        "phenomena": [f"{row.of.name}: {row.of.unit}" for row in zoo],
        "others": [{"name": family, "cells": [_cell(row, family) for row in zoo]} for family in others],
    }


def _cell(row: "Row", family: str) -> dict[str, str] | None:
    each = row.effects.get(family)
    if each is None:
        return None
    source = f"claim {each.claim} of the study {each.source}" if each.claim else "the zoo: docs/results/zoo.md"
    return {
        "text": str(each) if each.sign else f"({each})",
        "link": f"#{each.source}-{each.claim}" if each.claim else "",
        "title": f"{source}; {each.n} seeds or draws",
    }
