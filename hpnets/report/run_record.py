"""One run folder read as it is: what can be read is kept, what cannot is said, and nothing of it is an error."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hpnets.atomic_files import read_json, read_yaml

Rows = list[dict[str, float]]
Arrays = dict[str, np.ndarray[Any, Any]]
MARKS = ("config.yaml", "metrics.csv", "summary.json")  # a folder with one of these is a run
TENSORS = ("ntk.safetensors", "probe.safetensors", "predictions.safetensors")
LOSSES = ("loss", "critic_loss")


def is_run(folder: Path) -> bool:
    """Whether a folder holds what a run writes first or last."""
    return any((folder / name).is_file() for name in MARKS)


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds.

    options: by dotted name, "model.width"; of config.yaml. summary, environment: {} where the file is not there. rows:
    of metrics.csv, each with the values that it has. warnings: the lines of warnings.txt. problems: one text for each
    file that could not be read.
    """

    folder: Path
    options: dict[str, Any]
    summary: dict[str, Any]
    environment: dict[str, Any]
    rows: Rows
    warnings: tuple[str, ...]
    problems: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def state(self) -> str:
        """ "finished", "unfinished" (stopped, or still running), or "damaged" where a file could not be read."""
        if self.problems:
            return "damaged"
        return "finished" if self.summary else "unfinished"

    @property
    def model(self) -> str:
        """The network's name; "" where it is not known."""
        return str(self.summary.get("model") or self.options.get("model.name") or "")

    @property
    def task(self) -> str:
        """The task's name; "" where it is not known."""
        return str(self.summary.get("task") or self.options.get("task.name") or "")

    @property
    def seed(self) -> Any:
        """The seed of the weights and of the order of the samples; None where it is not known."""
        return self.options.get("seed")

    @property
    def metric(self) -> str:
        """The metric that judges the run, without its split: "accuracy"; "loss" if it has no other."""
        keys = [*self.summary.get("metrics", {}), *sorted(self.columns)]
        names = [key.split("/")[1] for key in keys if key.startswith(("test/", "val/"))]
        return next((name for name in names if name not in LOSSES), "loss")

    @property
    def result(self) -> float | None:
        """The test metric, or None for a run that has none yet."""
        return number(self.summary.get("metrics", {}).get(f"test/{self.metric}"))

    @property
    def steps(self) -> int:
        """The steps that the weights took, as far as the folder says."""
        last = max((row["step"] for row in self.rows if "step" in row), default=0)
        return int(self.summary.get("steps") or last)

    @property
    def columns(self) -> set[str]:
        """The columns of metrics.csv that hold a value."""
        return {key for row in self.rows for key in row}

    def last(self, key: str) -> float | None:
        """The last finite value of a column of metrics.csv, or None."""
        return next((row[key] for row in reversed(self.rows) if key in row and np.isfinite(row[key])), None)

    def curve(self, key: str) -> tuple[list[float], list[float]]:
        """The steps and the finite values of a column of metrics.csv."""
        points = [(row["step"], row[key]) for row in self.rows if key in row and "step" in row]
        kept = [point for point in points if np.isfinite(point[1])]
        return [step for step, _ in kept], [value for _, value in kept]

    @cached_property
    def track(self) -> Arrays:
        """The tensors of ntk.safetensors; {} where there are none to be read."""
        return self._tensors("ntk.safetensors")

    @cached_property
    def probe(self) -> Arrays:
        """The tensors of probe.safetensors; {} where there are none to be read."""
        return self._tensors("probe.safetensors")

    @cached_property
    def predictions(self) -> Arrays:
        """The tensors of predictions.safetensors; {} where there are none to be read."""
        return self._tensors("predictions.safetensors")

    def _tensors(self, name: str) -> Arrays:
        path = self.folder / name
        if not path.is_file() or any(problem.startswith(name) for problem in self.problems):
            return {}
        from safetensors.numpy import load_file

        return load_file(path)


def read_run(folder: Path) -> RunRecord:
    """The record of a run folder, whatever state it is in: half-written, stopped, damaged or of another version."""
    problems: list[str] = []

    def part(name: str, read: Callable[[Path], Any], empty: Any) -> Any:
        path = folder / name
        if not path.is_file():
            return empty
        try:
            return read(path)
        except (ValueError, OSError, KeyError, csv.Error) as error:
            problems.append(f"{name} is not readable: {str(error).removeprefix(f'{path} is not readable: ')}")
            return empty

    options = part("config.yaml", lambda path: flat(read_mapping(path, read_yaml)), {})
    summary = part("summary.json", read_summary, {})
    environment = part("env.json", lambda path: read_mapping(path, read_json), {})
    rows = part("metrics.csv", read_rows, [])
    warnings = part("warnings.txt", lambda path: tuple(path.read_text().splitlines()), ())
    for name in TENSORS:
        part(name, check_tensors, None)
    return RunRecord(folder, options, summary, environment, rows, warnings, tuple(problems))


def read_mapping(path: Path, read: Callable[[Path], Any]) -> dict[str, Any]:
    """The mapping that a file holds; raises ValueError where it holds something else."""
    content = read(path)
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}; allowed: names with values")
    return content


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of a finished run; raises ValueError for one whose parts are not what this version writes."""
    summary = read_mapping(path, read_json)
    for name in ("metrics", "kernel", "best"):
        if not isinstance(summary.get(name, {}), dict):
            raise ValueError(f"{name} is {summary[name]!r}; allowed: names with values, as this version writes them")
    return summary


def read_rows(path: Path) -> Rows:
    """The rows of metrics.csv; raises ValueError for a row that is cut short or holds a text."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        return [_row(row, line) for line, row in enumerate(reader, 2)]


def _row(row: dict[Any, Any], line: int) -> dict[str, float]:
    if None in row or None in row.values():
        raise ValueError(f"line {line} has another number of values than the first")
    try:
        return {key: float(value) for key, value in row.items() if value}
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None


def check_tensors(path: Path) -> None:
    """Raise ValueError for a safetensors file that is cut short or damaged; only its header is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted name."""
    result: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict) and value:
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result


def number(value: Any) -> float | None:
    """A value as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def as_text(value: Any) -> str:
    """An option's value as a person reads it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
