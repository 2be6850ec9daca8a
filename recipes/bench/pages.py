"""A results folder: the numbers as json with command and environment, and a page that shows them."""

from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_json, write_text
from recipes.bench.environment import environment, file_name
from recipes.command_line import command_of


def write_page(
    out: Path, title: str, about: str, table: str, rows: dict[str, Any] | list[Any], threads: int, device: str = "cpu"
) -> None:
    """Write <out>/<device>.json, and <out>/README.md with title, what was measured, the command and the table."""
    command = command_of("recipes.bench")
    e = environment(device, threads)
    write_json(out / f"{file_name(e['device'])}.json", {"command": command, "environment": e, "results": rows})
    versions = f"torch {e['versions']['torch']}, commit {e['commit']}"
    on = f"{e['date']}, {e['device']}, {versions}, load before {e['load']:.2f}."
    write_text(out / "README.md", f"# {title}\n\n{about}\n\n```text\n{command}\n```\n\n{on}\n\n{table}\n")
    print(table)
