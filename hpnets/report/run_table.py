"""The table of runs: one row a run, each cell as text and as the value that it is sorted by."""

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpnets.report.run_groups import RunGroup
from hpnets.report.run_record import RunRecord

Value = str | float | int | None


@dataclass(frozen=True)
class Cell:
    """A cell of the table: what is shown, and what it is sorted by; a missing value sorts last."""

    text: str
    value: Value

    @property
    def sorts(self) -> str:
        """The value as the page's script reads it."""
        return "" if self.value is None else str(self.value)


COLUMNS: tuple[str, ...] = ("run", "what", "seed", "state", "test metric", "best validation", "drift")
COLUMNS += ("effective rank", "parameters", "steps", "seconds")


def run_row(run: RunRecord, label: str) -> dict[str, Value]:
    """One run's values by column; None for what the folder does not say."""
    kernel, best = run.summary.get("kernel", {}), run.summary.get("best", {})
    return {
        "run": run.name,
        "what": label,
        "seed": run.seed,
        "state": run.state,
        "test metric": run.result,
        "best validation": best.get(f"val/{run.metric}", run.last(f"val/{run.metric}")),
        "drift": kernel.get("drift", run.last("ntk/drift")),
        "effective rank": kernel.get("effective_rank", run.last("ntk/effective_rank")),
        "parameters": run.summary.get("parameters"),
        "steps": run.steps,
        "seconds": run.summary.get("seconds"),
    }


def run_rows(groups: Sequence[RunGroup]) -> list[dict[str, Value]]:
    """One row for each run, group by group."""
    return [run_row(run, group.label) for group in groups for run in group.runs]


def as_cells(rows: Sequence[dict[str, Value]]) -> list[list[Cell]]:
    """The rows as the page shows them."""
    return [[Cell(_shown(value), value) for value in row.values()] for row in rows]


def as_download(text: str, kind: str) -> str:
    """A data: address that downloads a text, so that the page needs no second file."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def as_csv(rows: Sequence[dict[str, Value]]) -> str:
    """The rows as csv; a text that a spreadsheet would take for a formula is quoted by an apostrophe."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return buffer.getvalue()


def as_json_text(rows: Sequence[dict[str, Value]]) -> str:
    """The rows as json."""
    return json.dumps(list(rows), indent=1, default=str)


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
