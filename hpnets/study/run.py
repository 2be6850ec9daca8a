"""A whole study, from its cells to its page."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpnets.study.cells import Study, is_first_rank
from hpnets.study.pages import read_results, verdict_table, write_page
from hpnets.study.paper import Paper, Sizes
from hpnets.study.results import Results

LEAST_SEEDS = 3


def run_study(
    paper: Paper, sizes: Sizes, out: Path, device: str = "cpu", page: Path | None = None, render: bool = False
) -> None:
    """Compute the cells that `out` lacks, judge the claims, draw the figures, write the page and print the verdicts.

    render: compute nothing, and take all results from the results.json in `out`. Raises ValueError for fewer than three
    seeds, since a spread needs three.
    """
    if sizes.seeds < LEAST_SEEDS:
        raise ValueError(f"seeds is {sizes.seeds}; allowed: >= {LEAST_SEEDS}, so that there is a spread")
    cells, study = paper.cells(sizes), Study(out, device)
    if render:
        results, origin = read_results(out, cells)
    else:
        results = study.run(cells)
    if not is_first_rank():
        return
    if not render:
        origin = {"command": command(), **study.origin(cells)}
    content = judge_and_draw(paper, sizes, results, out, origin)
    write_page(out, page, content, results)
    print(f"{verdict_table(content['claims'])}\n\nwritten to {out}{f' and {page}' if page else ''}")


def judge_and_draw(
    paper: Paper, sizes: Sizes, results: Results, out: Path, origin: Mapping[str, Any]
) -> dict[str, Any]:
    """What the page shows: judge the claims, and draw the figures into `out`."""
    judged = [claim.judge(results) for claim in paper.claims(sizes)]
    figures = paper.figures(results, sizes)
    for figure in figures:
        figure.draw(out)
    return {
        "name": paper.name,
        "title": paper.title,
        "source": paper.source,
        "abstract": paper.abstract(results, sizes, judged),
        **origin,
        "claims": [asdict(claim) for claim in judged],
        "setting": paper.about(sizes),
        "figures": [figure.as_json() for figure in figures],
    }


def command() -> str:
    """The command of this process as a user types it, for the installed package or a file of a checkout."""
    path = Path(sys.argv[0])
    if path.stem == "__main__":
        name = f"python -m {path.parent.name}"
    else:
        name = f"python {path}" if path.suffix == ".py" else path.name
    return " ".join([name, *sys.argv[1:]])
