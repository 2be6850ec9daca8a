"""A study's results as results.json, and the page that is rendered from it: abstract, claims, figures."""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_json, write_json, write_text, write_whole
from hpnets.environment import short_commit
from hpnets.statistics import table
from hpnets.study.cells import Cell, distinct
from hpnets.study.results import Result, Results, as_json

ORIGIN = ("command", "environment", "commits", "seconds")


def render(page: Mapping[str, Any]) -> str:
    """The page for the content of results.json."""
    parts = [f"# {page['title']}", " ".join(page["abstract"]), f"Source: {page['source']}. {_origin(page)}"]
    parts += ["## Claims", verdict_table(page["claims"])]
    parts += [_claim(number, claim) for number, claim in enumerate(page["claims"], 1)]
    parts += ["## Setting", page["setting"], *(_figure(figure) for figure in page["figures"])]
    return "\n\n".join(parts) + "\n"


def verdict_table(claims: Sequence[Mapping[str, Any]]) -> str:
    """A table with one row for each claim: its number, what it says, the verdict."""
    rows = [(str(i), claim["says"], f"**{claim['verdict']}**") for i, claim in enumerate(claims, 1)]
    return table(("", "statement", "verdict"), rows)


def _origin(page: Mapping[str, Any]) -> str:
    e = page["environment"]
    on = f"{e['started'][:10]}, {e['device']}, {e['threads']} threads, torch {e['versions']['torch']}"
    return (
        f"Run `hpnets study {page['name']}`; these numbers are of `{page['command']}`: {on}, Python {e['python']}, "
        f"{commits(page['commits'])}; {page['seconds']:.0f} s of work. Every number is in [results.json](results.json)."
    )


def _claim(number: int, claim: Mapping[str, Any]) -> str:
    drawn = f"over {claim['seeds']} seeds" if claim["seeds"] else "nothing is drawn"
    return "\n".join(
        [
            f"### {number}. {claim['says']}",
            "",
            f"- In the paper: {claim['where']}: `{claim['formula']}`",
            f"- Counts as seen if: {_escaped(claim['accepted'])}",
            f"- Measured ({drawn}): {_escaped(claim['measured'])}",
            f"- Verdict: **{claim['verdict']}**",
        ]
    )


def _figure(figure: Mapping[str, Any]) -> str:
    parts = [f"## {figure['title']}", figure["text"]]
    parts += [table(figure["head"], figure["rows"])] if figure["rows"] else []
    parts += [f"![{figure['title']}]({figure['picture']})"] if figure["picture"] else []
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    return text.replace("*", "\\*")


def commits(counts: Mapping[str, int]) -> str:
    """The commits at which cells were computed, with the number of cells at each if there are several."""
    each = [f"{short_commit(name)} ({cells} cells)" for name, cells in counts.items()]
    return f"commits {', '.join(each)}" if len(counts) > 1 else f"commit {short_commit(*counts)}"


def rounded(value: Any) -> Any:
    """The data, as json can hold it, with floats rounded to six significant figures."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def write_page(out: Path, into: Path | None, page: dict[str, Any], results: Results) -> None:
    """Write results.json, env.json and verdict.md into `out`, and README.md, results.json and pictures into `into`."""
    page = as_json(page)
    cells = [{"function": r.function, "options": r.options, "result": rounded(r.value)} for r in results]
    write_json(out / "env.json", page["environment"])
    write_text(out / "results.json", _with_cells(page, cells))
    write_text(out / "verdict.md", render(page))
    if into:
        write_text(into / "README.md", render(page))
        for file in [out / "results.json", *(out / f["picture"] for f in page["figures"] if f["picture"])]:
            write_whole(into / file.name, partial(shutil.copyfile, file))


def _with_cells(page: dict[str, Any], cells: list[dict[str, Any]]) -> str:
    """json text with one line for each cell under the last key, "cells"; a line for each number would be too long."""
    lines = ",\n".join(f"    {json.dumps(cell)}" for cell in cells)
    return f'{json.dumps(page, indent=2)[:-2]},\n  "cells": [\n{lines}\n  ]\n}}\n'


def read_results(out: Path, cells: Sequence[Cell]) -> tuple[Results, dict[str, Any]]:
    """The cells' results and origin from results.json; raises ValueError if the file is missing or lacks a cell."""
    path = out / "results.json"
    if not path.is_file():
        raise ValueError(f"out is {str(out)!r}; allowed with render: a folder with results.json")
    stored = read_json(path)
    read = [Result(c["function"], c["options"], c["result"]) for c in stored["cells"]]
    kept = {_key(r.function, r.options): r for r in read}
    wanted = [(cell.name, _key(cell.function, as_json(cell.options))) for cell in distinct(cells)]
    if lost := [name for name, key in wanted if key not in kept]:
        raise ValueError(f"out is {str(out)!r}, whose results.json lacks {lost[0]}: give the options of its run")
    return Results(tuple(kept[key] for _, key in wanted)), {key: stored[key] for key in ORIGIN}


def _key(function: str, options: dict[str, Any]) -> str:
    return json.dumps([function, options], sort_keys=True)
