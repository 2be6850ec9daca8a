"""The html page of runs and studies: one file that needs no other, made from folders alone."""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from hpnets.atomic_files import write_text
from hpnets.report import group_charts, run_charts, run_details, run_table, sample_charts
from hpnets.report.run_groups import RunGroup, differences_to_twins, differing_options, grouped
from hpnets.report.run_record import RunRecord, as_text
from hpnets.report.studies import Study

TEMPLATES = Path(__file__).parent / "templates"
Pictures = Callable[[RunRecord, list[int]], np.ndarray[Any, Any] | None]


def write_report(
    out: Path,
    runs: Sequence[RunRecord],
    studies: Sequence[Study] = (),
    *,
    title: str = "",
    index: Path | None = None,
    defaults: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    atlas: Mapping[str, Any] | None = None,
    left_out: str = "",
    version: str = "",
) -> None:
    """Write the page whole: details of a single run, a comparison of several, then studies and the atlas.

    index: the zoo's, for a run's place in it. defaults: the options that need not be told. pictures: gives the test
    inputs (n, C, H, W) of rows of a run's data, or None. left_out: what the page says it does not show.
    """
    groups = grouped(runs)
    rows = run_table.run_rows(groups)
    details = [_details(run, index, dict(defaults or {}), pictures) for run in runs] if len(runs) == 1 else []
    parts = _comparison(groups, rows) if len(runs) > 1 else {}
    content = {
        "title": title or _title(runs, studies),
        "made": time.strftime("%Y-%m-%d %H:%M %z"),
        "version": version,
        "left_out": left_out,
        "css": Markup((TEMPLATES / "report.css").read_text()),
        "script": Markup((TEMPLATES / "report.js").read_text()),
        "details": details,
        "studies": [_study(study) for study in studies],
        "atlas": atlas,
        **parts,
    }
    write_text(out, _template().render(content, contents=_contents(content)))


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2")


def _title(runs: Sequence[RunRecord], studies: Sequence[Study]) -> str:
    if len(runs) == 1 and not studies:
        return f"{runs[0].model} on {runs[0].task}: {runs[0].name}" if runs[0].model else runs[0].name
    counted = [f"{len(each)} {what}" for each, what in ((runs, "runs"), (studies, "studies")) if each]
    return f"hpnets: {' and '.join(counted)}" if counted else "hpnets"


def _comparison(groups: Sequence[RunGroup], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    differing = differing_options([group.runs[0] for group in groups])
    return {
        "columns": run_table.COLUMNS,
        "rows": run_table.as_cells(rows),
        "csv": run_table.as_download(run_table.as_csv(rows), "text/csv"),
        "json": run_table.as_download(run_table.as_json_text(rows), "application/json"),
        "troubles": [(run.name, problem) for group in groups for run in group.runs for problem in run.problems],
        "differences": differences_to_twins(groups),
        "groups_svg": group_charts.draw_groups(groups),
        "legend": group_charts.legend(groups),
        "undrawn": max(0, len(groups) - group_charts.MOST),
        "differing": differing,
        "option_rows": [(g.label, [as_text(g.options.get(name, "-")) for name in differing]) for g in groups],
    }


def _details(run: RunRecord, index: Path | None, defaults: dict[str, Any], pictures: Pictures | None) -> dict[str, Any]:
    worst = sample_charts.worst_samples(run)
    inputs = pictures(run, [sample["row"] for sample in worst]) if pictures and worst else None
    titles = [f"row {w['row']}: {w['class']}, said {w['predicted']}" for w in worst]
    return {
        **{name: getattr(run, name) for name in ("name", "model", "task", "state", "steps", "problems", "warnings")},
        "parameters": run.summary.get("parameters"),
        "place": run_details.place_in_zoo(run, index) if index else "",
        "formula": run_details.docstring_of_model(run.model),
        "results": run_details.results(run),
        "options": run_details.told_options(run, defaults),
        "environment": run_details.environment_rows(run),
        "curves": run_charts.draw_run(run),
        "spectra": run_charts.draw_spectra(run),
        "kernels": run_charts.draw_kernels(run),
        "eigenvectors": sample_charts.draw_eigenvectors(run),
        "predictions": run_charts.draw_predictions(run),
        "worst": worst,
        "worst_svg": "" if inputs is None else sample_charts.draw_samples(inputs, titles),
    }


def _study(study: Study) -> dict[str, Any]:
    """A study as the template shows it; its pictures are images, so that nothing in their files is executed."""
    told = {name: getattr(study, name) for name in ("name", "title", "source", "abstract", "command", "claims")}
    pictures = [
        {"title": title, "address": f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"}
        for title, path in study.pictures
    ]
    return {**told, "seconds": f"{study.seconds:,.0f}", "pictures": pictures}


def _contents(content: Mapping[str, Any]) -> list[dict[str, str]]:
    named = [("rows", "runs", "Runs"), ("differences", "twins", "Twins"), ("groups_svg", "curves-of-groups", "Curves")]
    named += [("differing", "options", "Options"), ("atlas", "atlas", "Atlas")]
    parts = [{"id": part, "title": title} for key, part, title in named if content.get(key)]
    for kind, key in (("run", "details"), ("study", "studies")):
        parts += [{"id": f"{kind}-{i}", "title": each["name"]} for i, each in enumerate(content[key], 1)]
    return parts
