"""Write the atlas, what a Hadamard product changes: python -m recipes.docs.atlas --page docs/results/atlas.md"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpnets.commands.parser import run_command

if TYPE_CHECKING:
    from hpnets.papers.atlas import Effect, Row

ABOUT = """# What a Hadamard product changes

{quote}

Each cell is the mean of the paired differences, a network with the product less its additive twin (the same network
with a sum in the product's place), one for each seed or draw, with Student's 95% interval; it links to the study whose
claim is behind it, or to the zoo. Effects whose interval holds 0 are in parentheses. An empty cell was not measured, or
with `--quick` alone.
`python -m recipes.docs.atlas` writes this page from the studies' `results.json`, `checkpoints/index.json` and
`docs/results/zoo/robust.json`; `hpnets report --atlas` shows the same beside the studies.

{studied}

## Rates, seeds and claims

A difference to a twin that was tuned less can be one of tuning: the rows that say so are to be read with that in mind.

{tuning}

## Families that the zoo alone measured

{others}
"""


def atlas(
    page: str = "docs/results/atlas.md",
    papers: str = "docs/results/papers",
    index: str = "checkpoints/index.json",
    robust: str = "docs/results/zoo/robust.json",
) -> None:
    """Write the page of the atlas from stored results alone.

    Args:
        page: the page to write
        papers: the folder of the studies' folders
        index: the index of the checkpoints
        robust: the accuracies under attack of the zoo's networks
    """
    from hpnets.atomic_files import write_text
    from hpnets.papers.atlas import atlas_rows

    rows = atlas_rows(sorted(p.parent for p in Path(papers).glob("*/results.json")), Path(index), Path(robust))
    write_text(Path(page), render(rows))


def render(rows: Sequence["Row"]) -> str:
    """The page of these rows."""
    from hpnets.papers.atlas import OfZoo, families, quote
    from hpnets.statistics import table

    names, others = families(rows, studied=True), families(rows, studied=False)
    shown = [row for row in rows if row.effects]
    zoo = [row for row in shown if isinstance(row.of, OfZoo)]
    cells = [[f"{row.of.name}: {row.of.unit}", *(_cell(row, family) for family in names)] for row in shown]
    turned = [[f"`{family}`", *(_cell(row, family) for row in zoo)] for family in others]
    return ABOUT.format(
        quote=quote(rows),
        studied=table(["", *(f"`{name}`" for name in names)], cells),
        tuning=table(["phenomenon", "rates", "seeds", "source"], [_told(row) for row in shown]),
        others=table(["", *(f"{row.of.name}: {row.of.unit}" for row in zoo)], turned),
    )


def _cell(row: "Row", family: str) -> str:
    each = row.effects.get(family)
    return f"[{each if each.sign else f'({each})'}]({_page(row, each)})" if each else ""


def _page(row: "Row", each: "Effect") -> str:
    from hpnets.papers.atlas import OfStudy

    return (
        f"papers/{row.of.study}/README.md#claims" if isinstance(row.of, OfStudy) else f"zoo.md#{row.of.task}-accuracy"
    )


def _told(row: "Row") -> list[str]:
    from hpnets.papers.atlas import OfStudy

    counts = sorted({each.n for each in row.effects.values()})
    claims: dict[int, list[str]] = {}
    for family, each in row.effects.items():
        claims.setdefault(each.claim, []).append(f"`{family}`")
    numbers = "; ".join(f"claim {claim} ({', '.join(names)})" for claim, names in claims.items())
    link = _page(row, next(iter(row.effects.values())))
    source = f"[{numbers}]({link})" if isinstance(row.of, OfStudy) else f"[the zoo]({link})"
    return [f"{row.of.name}: {row.of.unit}", row.rates, " or ".join(map(str, counts)), source]


if __name__ == "__main__":
    run_command(atlas)
