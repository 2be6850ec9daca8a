"""Measure hpnets against its peers on this machine: python recipes/benchmark.py ntk"""

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from jsonargparse import auto_cli

from hpnets.cli import Parser, run_main
from hpnets.environment import device_of
from hpnets.registry import nearest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `recipes` is not installed

RESULTS = "docs/results/ntk-engine"
FOREIGN = "docs/results/foreign"
NETWORKS = ("mlp", "ccp", "conv", "resnet18")
LARGE = ("trace10k", "top20")
MARKERS = "ntk-benchmark"


def ntk(
    out: str = RESULTS,
    cases: str = "mlp,ccp,conv,resnet18,growth",
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
        out: folder of <device>.json, <device>.svg, and README.md, in which the table of every device is put
        cases: of mlp, ccp, conv, resnet18, growth (in samples, outputs, width), trace10k and top20 (10,000 inputs)
        peers: all, none, or names parted by commas
        venvs: folder of the peers' virtual environments; a peer without one is reported with the command to make it
        repeats: rounds of A B, and calls where we are alone
        threads: cores that every process is bound to
        device: where torch computes; auto is a GPU if there is one
        limit: seconds after which a peer's call is given up
        peer_seconds: a call is repeated no more often than fits these seconds, but once
        quick: small sizes, to try the command; the numbers mean nothing, so another --out must be given
        keep: keep what the device's json holds of cases that are not measured now
    """
    from recipes.bench.peers import PACKAGES, make_peers

    chosen = names("case", cases, (*NETWORKS, "growth", *LARGE))
    wanted = {"all": list(PACKAGES), "none": []}.get(peers) if peers in ("all", "none") else None
    wanted = names("peer", peers, tuple(PACKAGES)) if wanted is None else wanted
    if quick and Path(out) == Path(RESULTS):
        raise ValueError(f"--quick measures nothing that belongs in {RESULTS}: give another --out")
    if min(repeats, threads) < 1:
        raise ValueError(f"repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    made = make_peers(wanted, Path(venvs))
    with tempfile.TemporaryDirectory() as folder:
        from recipes.bench.measure import Settings

        s = Settings(Path(folder), repeats, threads, device_of(device), limit, peer_seconds, quick)
        results = measure(chosen, made, s, Path(out), keep)
    from recipes.bench.table import render

    print(f"{render(results)}\n\nwritten to {out}")


def foreign(
    out: str = FOREIGN,
    nets: str = "all",
    venvs: str = ".venvs",
    repeats: int = 3,
    threads: int = 2,
    budget: float = 1.0,
    limit: float = 60.0,
    quick: bool = False,
    again: bool = False,
) -> None:
    """Time ntk, torch.func, TorchJD and a loop of autograd on other people's networks, full and trace, A B A B.

    Args:
        out: folder of <device>.json and README.md; networks that it holds of this commit are not measured again
        nets: all, or names parted by commas, as in recipes/bench/foreign.py
        venvs: folder of the peers' virtual environments: TorchJD is taken from there, on this Python's torch
        repeats: most rounds
        threads: cores that the process is bound to
        budget: seconds that the rounds of one contender fit, but one round
        limit: seconds after which a call is given up
        quick: 2 samples, 2 outputs, one round, to try the command; another --out must be given
        again: measure what the json holds of this commit too
    """
    from recipes.bench.foreign import NETS, Race
    from recipes.bench.foreign_run import run_foreign

    chosen = list(NETS) if nets == "all" else names("network", nets, NETS)
    if quick and Path(out) == Path(FOREIGN):
        raise ValueError(f"--quick measures nothing that belongs in {FOREIGN}: give another --out")
    if min(repeats, threads) < 1:
        raise ValueError(f"repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    size = {"samples": 2, "outputs": 2, "repeats": 1} if quick else {"samples": 12, "outputs": 10, "repeats": repeats}
    races = [Race(net=net, threads=threads, budget=budget, limit=limit, venvs=venvs, **size) for net in chosen]
    command = shlex.join(["python", "recipes/benchmark.py", *sys.argv[1:]])
    print(run_foreign(races, Path(out), command, again))


def calibrate(out: str = "docs/results/calibration", threads: int = 2, quick: bool = False) -> None:
    """Measure the rates and overheads that the engine's cost model reads; write json and a page.

    Args:
        out: folder of <device>.json and README.md
        threads: cores that the process is bound to
        quick: small sizes, to try the command; another --out must be given
    """
    from recipes.bench.calibrate import ABOUT, calibration, calibration_table
    from recipes.bench.pages import write_page

    if quick and Path(out) == Path("docs/results/calibration"):
        raise ValueError(f"--quick measures nothing that belongs in {out}: give another --out")
    results = calibration(threads, quick)
    write_page(Path(out), "What this machine's operations cost", ABOUT, calibration_table(results), results, threads)


def monitor(out: str = "docs/results/monitor", seeds: int = 5) -> None:
    """What kernel tracking costs the default run: off, by the Jacobian, and as it is.

    Args:
        out: folder of <device>.json and README.md
        seeds: runs of each
    """
    from recipes.bench.monitor import ABOUT, monitor_table, run_monitor
    from recipes.bench.pages import write_page

    with tempfile.TemporaryDirectory() as folder:
        found = run_monitor(Path(folder), seeds)
    write_page(Path(out), "What tracking the kernel costs", ABOUT, monitor_table(found), found, os.cpu_count() or 1)


def sharing(
    out: str = "docs/results/sharing", cases: str = "mlp,ccp,conv", repeats: int = 3, quick: bool = False
) -> None:
    """What a second process saves: the full kernel by one process and by two, a core and a thread each.

    Args:
        out: folder of <device>.json and README.md
        cases: of mlp, ccp, conv, resnet18
        repeats: rounds of one and two
        quick: small sizes, to try the command
    """
    from recipes.bench.pages import write_page
    from recipes.bench.sharing import ABOUT, run_sharing, sharing_table

    with tempfile.TemporaryDirectory() as folder:
        found = run_sharing(names("case", cases, NETWORKS), Path(folder), repeats, quick)
    write_page(Path(out), "One kernel, two processes", ABOUT, sharing_table(found), found, 1)


def throughput(
    out: str = "docs/results/throughput",
    models: str = "all",
    sides: str = "32,224",
    batch: int = 64,
    repeats: int = 5,
    threads: int = 2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Images a second of every image family in float32 and bfloat16, beside timm's network where it has one.

    Args:
        out: folder of <device>.json and README.md
        models: all, or names parted by commas
        sides: of the square images, parted by commas
        batch: images of a call
        repeats: rounds of ours and timm's
        threads: cores that torch computes on
        device: where torch computes; auto is a GPU if there is one
    """
    from recipes.bench.pages import write_page
    from recipes.bench.throughput import ABOUT, OPTIONS, run_throughput, throughput_table

    chosen = list(OPTIONS) if models == "all" else names("model", models, tuple(OPTIONS))
    sizes = [int(side) for side in names("side", sides, ("32", "64", "224"))]
    if min(batch, repeats, threads) < 1:
        raise ValueError(f"batch is {batch}, repeats is {repeats}, threads is {threads}; allowed: 1 and more")
    where = device_of(device)
    found = run_throughput(chosen, sizes, batch, repeats, where, threads)
    about = ABOUT.format(batch=batch)
    write_page(Path(out), "Images a second", about, throughput_table(found), found, threads, where)


def main() -> None:
    """The command line; --quick, --keep and --again need no value."""
    argv = [f"{word}=true" if word in ("--quick", "--keep", "--again") else word for word in sys.argv[1:]]
    commands = {"ntk": ntk, "foreign": foreign, "calibrate": calibrate}
    commands |= {"monitor": monitor, "sharing": sharing, "throughput": throughput}
    auto_cli(commands, args=argv, parser_class=Parser, as_positional=False)


def names(kind: str, text: str, allowed: tuple[str, ...]) -> list[str]:
    """Names parted by commas, in their order; ValueError with the nearest for an unknown one."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in allowed:
            raise ValueError(f"unknown {kind} {name!r}: {nearest(name, allowed)}")
    return found


def measure(cases: list[str], peers: list[Any], s: Any, out: Path, keep: bool) -> dict[str, Any]:
    """Results of all cases, with command and environment; written after each case."""
    from recipes.bench.environment import environment, file_name
    from recipes.bench.growth import run_growth, run_large
    from recipes.bench.measure import run_case

    about = environment(s.device, s.threads)
    results = earlier(out / f"{file_name(about['device'])}.json") if keep else {"cases": {}, "large": {}}
    command = shlex.join(["python", "recipes/benchmark.py", *sys.argv[1:]])
    results["command"] = " && ".join([*filter(None, [results.get("command")]), command])
    results |= {"quick": s.quick, "environment": about}
    for name in cases:
        print(name, flush=True)
        if name == "growth":
            results["growth"] = run_growth(s)
        elif name in LARGE:
            results["large"][name] = run_large(name, s)
        else:
            results["cases"][name] = run_case(name, peers, s)
        write(results, out)
    return results


def earlier(path: Path) -> dict[str, Any]:
    """What the device's json holds; ValueError if there is none."""
    if not path.is_file():
        raise ValueError(f"--keep: no such file: {path}")
    return json.loads(path.read_text())


def write(results: dict[str, Any], out: Path) -> None:
    """The device's json and svg, and the tables of all devices in the page."""
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
        about = f"{results['environment']['device']}, {results['environment']['date']}:"
        replace_between(ROOT / "README.md", MARKERS, f"{about}\n\n{seconds(results)}")


if __name__ == "__main__":
    run_main(main)
