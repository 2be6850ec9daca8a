"""All that a page says of one run, in words and numbers: what was run, its result and its place, what was warned."""

import ast
import json
from pathlib import Path
from typing import Any

from hpnets.report.run_record import RunRecord, as_text
from hpnets.report.zoo import by_goal

MODELS = Path(__file__).parents[1] / "models"


def docstring_of_model(name: str) -> str:
    """The docstring, with the formula, of the class that registers a model; "" for one that is not ours.

    It is read from the source, so that a report needs no torch.
    """
    for source in sorted(MODELS.glob("*.py")):
        text = source.read_text()
        if f'"{name}"' not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and any(_registers(each, name) for each in node.decorator_list):
                return ast.get_docstring(node) or ""
    return ""


def _registers(decorator: ast.expr, name: str) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and getattr(decorator.func, "id", "") == "register_model"
        and any(isinstance(word, ast.Constant) and word.value == name for word in decorator.args)
    )


def place_in_zoo(run: RunRecord, index: Path) -> str:
    """Where the run's test metric would stand among the zoo's means on its task; "" where it cannot be told."""
    entries = by_goal(index).get(f"{run.task}-{run.metric}", []) if index.is_file() else []
    if run.result is None or not entries:
        return ""
    means = [entry["metrics"][f"test/{run.metric}"]["mean"] for entry in entries]
    rising = means[0] <= means[-1]  # the best come first: a rising list is of a metric of which less is better
    better = sum(mean < run.result if rising else mean > run.result for mean in means)
    own = next((e for e in entries if e["model"]["name"] == run.model), None)
    beside = f"; the zoo's {run.model} has {own['metrics'][f'test/{run.metric}']['mean']:.4g}" if own else ""
    return f"{better} of the zoo's {len(means)} networks on {run.task} have a better mean{beside}"


def told_options(run: RunRecord, defaults: dict[str, Any]) -> list[tuple[str, str]]:
    """The options of a run that differ from the defaults, by name; of those without a known default all."""
    return [
        (name, as_text(value))
        for name, value in run.options.items()
        if name not in defaults or json.dumps(defaults[name], default=str) != json.dumps(value, default=str)
    ]


def environment_rows(run: RunRecord) -> list[tuple[str, str]]:
    """What the run ran on, as names and texts."""
    plain = {key: as_text(value) for key, value in run.environment.items() if key != "versions"}
    versions = run.environment.get("versions", {})
    told = {"versions": ", ".join(f"{name} {value}" for name, value in versions.items())} if versions else {}
    return list((plain | told).items())


def results(run: RunRecord) -> list[tuple[str, str]]:
    """The test metrics, the best validation and the last kernel metrics, as names and texts."""
    parts = {"": "metrics", "best ": "best", "kernel ": "kernel"}
    values = {f"{said}{k}": v for said, part in parts.items() for k, v in run.summary.get(part, {}).items()}
    return [(name, f"{value:.6g}" if isinstance(value, float) else as_text(value)) for name, value in values.items()]
