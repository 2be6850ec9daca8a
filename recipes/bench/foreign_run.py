"""Runs all races of the foreign networks, one process after another, and writes json and page after each."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_json, write_text
from recipes.bench.contenders import find_torchjd
from recipes.bench.environment import environment, file_name
from recipes.bench.foreign import NETS, SELECTIONS, Race, run_race
from recipes.bench.foreign_page import of_both_kinds, page, slowness
from recipes.bench.packages import make_peers
from recipes.checks.processes import outcomes

# A race may take the time limit of this many calls; after that it is stopped, and what it told is kept.
CALLS = 15


def run_foreign(races: list[Race], out: Path, command: str, again: bool) -> str:
    """Run the races without a result of this commit in the folder, or all if `again`; return the tables of targets.

    Raises ValueError if torchjd cannot be imported.
    """
    race = races[0]
    venvs = Path(race.venvs)
    if not find_torchjd(venvs):
        make = make_peers(["torchjd"], venvs)[0].make
        raise ValueError(f"venvs is {race.venvs!r}, which has no TorchJD; make it: {make}")
    about = environment("cpu", race.threads)
    about["versions"] |= {name: importlib.metadata.version(name) for name in ("torchjd", "timm", "torchvision")}
    path = out / f"{file_name(about['device'])}.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"networks": {}}
    settings = {"samples": race.samples, "outputs": race.outputs, "limit": race.limit, "rounds": race.repeats}
    results |= {"command": command, "environment": about, "settings": settings}
    done = {net for net, record in results["networks"].items() if record["commit"] == about["commit"] and not again}
    for one, record in outcomes(run_race, [race for race in races if race.net not in done], CALLS * race.limit):
        results["networks"][one.net] = record | {"commit": about["commit"]}
        results["networks"] = {net: results["networks"][net] for net in NETS if net in results["networks"]}
        faster = ", ".join(f"{s} {1 / slowness(record, s, False):.2f}x" for s in SELECTIONS)
        print(f"  {one.net}: {faster} {record.get('ended', '')}", flush=True)
        write_json(path, results)
        write_text(out / "README.md", page([json.loads(other.read_text()) for other in sorted(out.glob("*.json"))]))
    return "\n\n".join([*of_both_kinds(results["networks"]), f"written to {out}"])
