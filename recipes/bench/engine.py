"""`python -m recipes.bench ntk` times the engine and its peers in turn, and writes the results."""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from hpnets.environment import device_of
from recipes import ROOT
from recipes.bench.choices import names
from recipes.command_line import command_of

RESULTS = "docs/results/ntk-engine"
NETWORKS = ("mlp", "ccp", "conv", "resnet18")
# The network whose output selections a quick run tries.
QUICK = ("ccp",)
LARGE = ("trace10k", "top20")
MARKERS = "ntk-benchmark"


def ntk(
    out: str = RESULTS,
    cases: str = "mlp,ccp,conv,resnet18,selections,growth",
    peers: str = "all",
    venvs: str = ".venvs",
    repeats: int = 5,
    threads: int = 2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    limit: float = 300.0,
    peer_seconds: float = 60.0,
    quick: bool = False,
    keep: bool = False,
) -> None:
    """Time the empirical kernel of hpnets.ntk and of its peers in turn, A B A B; write json, svg and a table.

    Args:
        out: folder of <device>.json, <device>.svg, and README.md, which has the tables of all devices
        cases: some of mlp, ccp, conv, resnet18, selections (of outputs, of all four), growth (in samples, outputs,
            width), trace10k, top20 (10,000 inputs)
        peers: all, none, or names parted by commas
        venvs: folder of the peers' virtual environments; a peer without one is reported with the command to make it
        repeats: rounds of A B, and calls of hpnets alone
        threads: how many cores every process is bound to
        device: where torch computes; auto is a GPU if there is one
        limit: seconds after which a peer's call is given up
        peer_seconds: seconds that all timed calls of a peer may take; one call is always made
        quick: try the command with small sizes; the numbers mean nothing, so another --out must be given
        keep: keep the json's results of cases that are not measured now
    """
    from recipes.bench.packages import PACKAGES, make_peers

    chosen = names("case", cases, (*NETWORKS, "selections", "growth", *LARGE))
    wanted = {"all": list(PACKAGES), "none": []}.get(peers) if peers in ("all", "none") else None
    wanted = names("peer", peers, tuple(PACKAGES)) if wanted is None else wanted
    if quick and Path(out) == Path(RESULTS):
        raise ValueError(f"--quick measures nothing that belongs in {RESULTS}: give another --out")
    if min(repeats, threads) < 1:
        raise ValueError(f"repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    made = make_peers(wanted, Path(venvs))
    with tempfile.TemporaryDirectory() as folder:
        from recipes.bench.settings import Settings

        s = Settings(Path(folder), repeats, threads, device_of(device), limit, peer_seconds, quick)
        results = measure(chosen, made, s, Path(out), keep)
    from recipes.bench.table import render

    print(f"{render(results)}\n\nwritten to {out}")


def measure(cases: list[str], peers: list[Any], s: Any, out: Path, keep: bool) -> dict[str, Any]:
    """The results of all cases, with the environment, and each one's command; they are written after each case."""
    from recipes.bench.environment import environment, file_name
    from recipes.bench.growth import run_growth, run_large
    from recipes.bench.measure import run_case
    from recipes.bench.selections import run_selections

    about = environment(s.device, s.threads)
    results = earlier(out / f"{file_name(about['device'])}.json") if keep else {"runs": {}, "cases": {}, "large": {}}
    results |= {"quick": s.quick, "environment": about}
    run = {"command": command_of("recipes.bench"), **{key: about[key] for key in ("commit", "date", "load")}}
    for name in cases:
        print(name, flush=True)
        if name == "growth":
            results["growth"] = run_growth(s)
        elif name == "selections":
            results["selections"] = run_selections(QUICK if s.quick else NETWORKS, s)
        elif name in LARGE:
            results["large"][name] = run_large(name, s)
        else:
            results["cases"][name] = run_case(name, peers, s)
        results["runs"][name] = run
        write(results, out)
    return results


def earlier(path: Path) -> dict[str, Any]:
    """The content of the device's json; raises ValueError if there is none."""
    if not path.is_file():
        raise ValueError(f"--keep: no such file: {path}")
    return json.loads(path.read_text())


def write(results: dict[str, Any], out: Path) -> None:
    """Write the device's json and svg, and the tables of all devices into the page."""
    from hpnets.atomic_files import write_json, write_text
    from hpnets.report import replace_between
    from recipes.bench.chart import draw
    from recipes.bench.environment import file_name
    from recipes.bench.table import render, seconds

    name = file_name(results["environment"]["device"])
    write_json(out / f"{name}.json", results)
    draw(results, out / f"{name}.svg")
    page = out / "README.md"
    if not page.exists():
        write_text(page, f"# Benchmark\n\n<!-- {MARKERS} -->\n<!-- end {MARKERS} -->\n")
    devices = sorted(out.glob("*.json"))
    tables = [f"{render(json.loads(path.read_text()))}\n\n![seconds]({path.stem}.svg)" for path in devices]
    replace_between(page, MARKERS, "\n\n".join(tables))
    if out.resolve() == ROOT / RESULTS:
        date = max((results["runs"][name]["date"] for name in results["cases"]), default="no case")
        replace_between(
            ROOT / "README.md", MARKERS, f"{results['environment']['device']}, {date}:\n\n{seconds(results)}"
        )
