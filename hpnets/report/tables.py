"""Tables of Markdown that are generated from files, and put between markers of a page."""

import json
from pathlib import Path

from hpnets.files import write_text


def pretrained_table(index: Path) -> str:
    """One row a checkpoint of checkpoints/index.json: test metrics of the seeds (mean and standard deviation)."""
    lines = ["| checkpoint | model | test metric, mean +- std | seeds | command |", "| --- | --- | --- | --- | --- |"]
    for entry in json.loads(index.read_text()):
        usual = entry["model"].get("parametrisation", "standard") == "standard"
        hidden = ("name", "parametrisation", "base_width") if usual else ("name",)
        options = ", ".join(f"{key} {value}" for key, value in entry["model"].items() if key not in hidden)
        metrics = ", ".join(
            f"{name.removeprefix('test/')} {m['mean']:.4f} +- {m['std']:.4f}"
            for name, m in entry["metrics"].items()
            if name != "test/loss"
        )
        model, seeds = entry["model"]["name"], ", ".join(map(str, entry["seeds"]))
        lines.append(f"| `{entry['name']}` | {model}: {options} | {metrics} | {seeds} | `{entry['command']}` |")
    return "\n".join(lines)


def check_markers(page: Path, name: str) -> tuple[str, str]:
    """<!-- name --> and <!-- end name -->; ValueError if the page is not there or lacks one."""
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    content = page.read_text() if page.is_file() else ""
    if begin not in content or end not in content:
        raise ValueError(f"{page} lacks the markers {begin} and {end}")
    return begin, end


def replace_between(page: Path, name: str, text: str) -> None:
    """Put `text` between <!-- name --> and <!-- end name --> of a page; ValueError if the markers are not there."""
    begin, end = check_markers(page, name)
    content = page.read_text()
    before, after = content.split(begin)[0], content.split(end)[1]
    write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
