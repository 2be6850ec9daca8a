"""What a study found as results.json, and the page that is rendered from it: claims with verdicts, tables, pictures."""

import json
import math
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hpnets.atomic_files import write_json, write_text, write_whole
from hpnets.statistics import log_slope

Verdict = Literal["reproduced", "not reproduced", "contradicted"]


@dataclass(frozen=True)
class Claim:
    """A statement, what counts as seeing it, what was measured (with its spread), over how many seeds (0: exact)."""

    says: str
    accepted: str
    measured: str
    seeds: int
    verdict: Verdict


@dataclass(frozen=True)
class Section:
    """A heading with its text, and with a table and a picture (an svg in the same folder) where there is one."""

    title: str
    text: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    picture: str = ""


def verdict(holds: bool, contrary: bool = False) -> Verdict:
    """reproduced if it holds, else contradicted if the contrary was seen, else not reproduced."""
    return "reproduced" if holds else "contradicted" if contrary else "not reproduced"


def spread(values: Sequence[float], digits: int = 3) -> str:
    """ "mean +- standard deviation" over seeds; a value that is not finite is counted, not averaged."""
    finite = [v for v in values if math.isfinite(v)]
    lost = f" ({len(values) - len(finite)} of {len(values)} diverged)" if len(finite) < len(values) else ""
    if not finite:
        return "diverged"
    deviation = statistics.stdev(finite) if len(finite) > 1 else 0.0
    return f"{statistics.fmean(finite):.{digits}g} +- {deviation:.1g}{lost}"


def middle(values: Sequence[float], digits: int = 2) -> str:
    """ "median (least to greatest)", for values that a mean and a standard deviation would not describe."""
    return f"{statistics.median(values):.{digits}g} ({min(values):.{digits}g} to {max(values):.{digits}g})"


def mean_slope(numbers: Mapping[int, Sequence[float]]) -> float:
    """Least-squares slope of the log of each mean over the log of its key."""
    return log_slope(numbers, map(statistics.fmean, numbers.values()))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a | within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def verdict_table(claims: Sequence[dict[str, Any]]) -> str:
    """One row a claim."""
    head = ("", "statement", "counts as seen if", "measured, mean +- std over seeds", "seeds", "verdict")
    rows = [
        (str(i), c["says"], c["accepted"], c["measured"], str(c["seeds"] or "none drawn"), f"**{c['verdict']}**")
        for i, c in enumerate(claims, 1)
    ]
    return table(head, rows)


def render(results: dict[str, Any]) -> str:
    """The page of results.json."""
    e = results["environment"]
    versions = f"torch {e['versions']['torch']}, Python {e['python']}"
    on = f"{e['started'][:10]}, {e['device']}, {e['threads']} threads, {versions}, {at(results['commits'])}"
    parts = [f"# {results['title']}", results["about"], f"```text\n{results['command']}\n```"]
    parts.append(f"{on}; {results['seconds']:.0f} s of work. Every number here is in [results.json](results.json).")
    parts.append("## Verdicts\n\n" + verdict_table(results["claims"]))
    for s in results["sections"]:
        parts += [f"## {s['title']}", s["text"]]
        parts += [table(s["head"], s["rows"])] if s["rows"] else []
        parts += [f"![{s['title']}]({s['picture']})"] if s["picture"] else []
    return "\n\n".join(part for part in parts if part) + "\n"


def at(commits: Mapping[str, int]) -> str:
    """The commits that the cells were computed at, with how many at each where there are several."""
    short = {name[:7] + "+changes" * name.endswith("+changes"): cells for name, cells in commits.items()}
    each = [f"{name} ({cells} cells)" for name, cells in short.items()] if len(short) > 1 else list(short)
    return f"commit{'s' if len(short) > 1 else ''} {', '.join(each)}"


def rounded(value: Any) -> Any:
    """json-able data with floats of six significant figures."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def as_json(results: dict[str, Any]) -> str:
    """json with one line for each cell under "found", the last key, which would fill a page each with one a number."""
    head = json.dumps({key: value for key, value in results.items() if key != "found"}, indent=2)
    cells = ",\n".join(f"    {json.dumps(name)}: {json.dumps(cell)}" for name, cell in results["found"].items())
    return f'{head[:-2]},\n  "found": {{\n{cells}\n  }}\n}}\n'


def write_results(
    out: Path,
    page: Path | None,
    title: str,
    about: str,
    claims: list[Claim],
    sections: list[Section],
    found: dict[str, Any],
    seconds: float,
    origin: dict[str, Any],
) -> None:
    """results.json, env.json and verdict.md in `out`, and all but cells once more in `page`; prints the verdicts.

    `origin`: "command", "environment" and "commits" of the run.
    """
    results = {
        "title": title,
        "about": about,
        "command": origin["command"],
        "environment": origin["environment"],
        "commits": origin["commits"],
        "seconds": seconds,
        "claims": [asdict(claim) for claim in claims],
        "sections": [asdict(section) for section in sections],
        "found": rounded(found),
    }
    results = json.loads(json.dumps(results))
    write_json(out / "env.json", results["environment"])
    write_text(out / "results.json", as_json(results))
    write_text(out / "verdict.md", render(results))
    if page:
        write_text(page / "README.md", render(results))
        for file in [out / "results.json", *out.glob("*.svg")]:
            write_whole(page / file.name, partial(shutil.copyfile, file))
    print(f"{verdict_table(results['claims'])}\n\nwritten to {out}{f' and {page}' if page else ''}")
