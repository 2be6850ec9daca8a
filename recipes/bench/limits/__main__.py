"""Measure the limit kernels: python -m recipes.bench.limits convergence | equivalence | parity | eigenvalues | speed"""

import json
from pathlib import Path
from typing import Any

from hpnets.commands.parser import run_command
from hpnets.registry import nearest
from recipes.command_line import command_of

OUT = "docs/results/limits"


def convergence(
    out: str = OUT, families: str = "all", seeds: int | None = None, quick: bool = False, keep: bool = False
) -> None:
    """Measure the error of finite networks' kernels against their limit over width, and its log-log slope, by family.

    Args:
        out: folder of convergence.json, and of README.md
        families: all, or names parted by commas (recipes/bench/limits/cases.py)
        seeds: how many networks of each width; by default each family's own number, 8 or 16
        quick: try the command with two small widths; the slopes mean nothing, so another --out must be given
        keep: keep the json's other families and commands; each family is written as soon as it is measured
    """
    from recipes.bench.limits.cases import CASES
    from recipes.bench.limits.convergence import measure

    chosen = list(CASES) if families == "all" else [name.strip() for name in families.split(",")]
    for name in chosen:
        if name not in CASES:
            raise ValueError(f"unknown family {name!r}; {nearest(name, CASES)}")
    if seeds is not None and seeds < 1:
        raise ValueError(f"seeds is {seeds}; allowed: 1 and more")
    not_the_record(out, quick)
    before = read(Path(out), "convergence") if keep else {}
    measured = before.get("measured", {})
    for name in chosen:
        measured[name] = measure(name, seeds, (16, 32) if quick else ())
        print(f"{name}: slope {measured[name]['slope']:.2f} +- {measured[name]['slope_error']:.2f}", flush=True)
        record(
            Path(out), "convergence", {key: measured[key] for key in CASES if key in measured}, 1, before.get("command")
        )


def equivalence(out: str = OUT, quick: bool = False) -> None:
    """Measure the held-out gap between trained networks and the predictions of their kernels at the start, over width.

    Args:
        out: folder of equivalence.json, and of README.md
        quick: try the command with two small widths and two seeds; another --out must be given
    """
    from recipes.bench.limits.equivalence import measure

    not_the_record(out, quick)
    record(Path(out), "equivalence", measure((16, 64), 2) if quick else measure(), threads=1)


def parity(out: str = OUT) -> None:
    """Measure the largest difference of the algebra from the stored kernels of neural-tangents, layer by layer.

    Args:
        out: folder of parity.json, and of README.md
    """
    from recipes.bench.limits.parity import compare

    record(Path(out), "parity", compare(), threads=1)


def eigenvalues(out: str = OUT) -> None:
    """Compare eigenvalues on the sphere with 40-digit ones: their relative errors, and the errors that we report.

    Args:
        out: folder of eigenvalues.json, and of README.md
    """
    from recipes.bench.limits.eigenvalues import compare

    record(Path(out), "eigenvalues", compare(), threads=1)


def speed(out: str = OUT, venv: str = ".venvs/neural-tangents", repeats: int = 5, quick: bool = False) -> None:
    """Time a 2,000 x 2,000 limit kernel (covariance and NTK) of depth 4 and neural-tangents' in turn, A B A B.

    Args:
        out: folder of speed.json, and of README.md
        venv: neural-tangents' virtual environment, made as tests/theory/make_reference.py says
        repeats: rounds of A B
        quick: try the command with 100 points; the seconds mean nothing, so another --out must be given
    """
    from recipes.bench.limits.speed import THREADS, race

    not_the_record(out, quick)
    record(Path(out), "speed", race(Path(venv), repeats, 100 if quick else 2000), threads=THREADS)


def not_the_record(out: str, quick: bool) -> None:
    """Raise ValueError for a trial run that would overwrite the results."""
    if quick and Path(out) == Path(OUT):
        raise ValueError(f"--quick measures nothing that belongs in {OUT}: give another --out")


def read(folder: Path, name: str) -> dict[str, Any]:
    """The content of the json of an earlier measurement, {} if there is none."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def record(folder: Path, name: str, measured: dict[str, Any], threads: int, before: str | None = None) -> None:
    """Write the json with its commands (those of `before` first) and environment, and the page from all jsons there."""
    from hpnets.atomic_files import write_json, write_text
    from recipes.bench.environment import environment
    from recipes.bench.limits.page import SECTIONS, render

    command = command_of("recipes.bench.limits")
    earlier = [one for one in (before or "").split(" && ") if one and one != command]
    command = " && ".join([*earlier, command])
    write_json(
        folder / f"{name}.json", {"command": command, "environment": environment("cpu", threads), "measured": measured}
    )
    write_text(folder / "README.md", render({key: read(folder, key) for key in SECTIONS}))


if __name__ == "__main__":
    functions = (convergence, equivalence, parity, eigenvalues, speed)
    run_command({function.__name__: function for function in functions})
