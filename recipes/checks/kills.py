"""Runs are killed at random moments and resumed: python -m recipes.checks.kills --runs 20 --out docs/results/kills"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from hpnets.commands.parser import run_command
from recipes import ROOT

RESULTS, PAGE = "results.json", "README.md"
FILES = ("model.safetensors", "metrics.csv", "ntk.safetensors")
COMMON = (
    "--model ccp --model.width 128 --task digits --task.batch_size 32 --trainer.max_epochs 8 --trainer.save_every 5 "
    "--ntk.every 11 --ntk.probe 50 --trainer.accelerator cpu --wandb off"
)
# What a run is made with beside COMMON, by name.
CASES = {
    "plain": "--optim.name adam",
    "accumulation": "--trainer.accumulate_grad_batches 3 --trainer.save_every 2",
    "validation in mid-epoch": "--trainer.val_every 13 --trainer.save_every 1s",
    "steps instead of epochs": "--trainer.max_steps 280 --trainer.val_every 50 --optim.name sgd",
    "batch norm, a share of each epoch": "--model resnet18 --model.width 4 --trainer.limit_train_batches 0.4",
}
HEAD = """# Runs that are killed and resumed

Each run is started, killed by `kill -9` at random moments, and resumed until it has ended. Its `model.safetensors`,
`metrics.csv` and `ntk.safetensors` are compared, byte for byte, with those of a run of the same options that was never
stopped. Shown for each kill is where the last checkpoint of the killed run stood, from which it went on; one that was
killed before its first checkpoint started again. One thread on a CPU. {verdict}

```text
{command}
```

{environment}
"""


def kills(out: str, runs: int = 20, most: int = 3, seed: int = 0) -> None:
    """Kill and resume runs at random moments, compare each with the uncut one, and write results.json and README.md.

    Args:
        out: the folder that is written
        runs: how many runs are killed; they take turns in their options
        most: the most kills of a run
        seed: of the moments
    """
    from hpnets.atomic_files import write_json, write_text
    from hpnets.environment import environment

    chosen = random.Random(seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        whole: dict[str, Whole] = {}
        for i in range(runs):
            name = list(CASES)[i % len(CASES)]
            uncut, cut = Path(folder) / name.replace(" ", "-").replace(",", ""), Path(folder) / f"cut-{i}"
            if name not in whole:
                whole[name] = run_whole(flags(name), uncut)
            places = run_cut(flags(name), cut, whole[name], chosen, most)
            same = {file: (uncut / file).read_bytes() == (cut / file).read_bytes() for file in FILES}
            rows.append({"options": name, "kills": places, "same": same})
            print(line(i + 1, rows[-1]), flush=True)
    record: dict[str, Any] = {
        "command": f"python -m recipes.checks.kills --runs {runs} --most {most} --seed {seed} --out {out}"
    }
    record |= {"flags": {name: " ".join(flags(name)) for name in CASES}, "environment": environment(), "runs": rows}
    write_json(Path(out) / RESULTS, record)
    write_text(Path(out) / PAGE, page(record))


def flags(name: str) -> list[str]:
    """The flags of a case."""
    return f"{COMMON} {CASES[name]}".split()


def start(words: list[str]) -> "subprocess.Popen[str]":
    """recipes/train.py on one thread, once it has printed its opening line."""
    script = [sys.executable, str(ROOT / "recipes" / "train.py"), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def finish(process: "subprocess.Popen[str]") -> None:
    """Wait for the end of a run; RuntimeError with what it printed if it does not end well."""
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}: {output}{errors}")


class Whole(NamedTuple):
    """What a run that was not stopped printed: lines of its training, seconds from one to the next, its steps."""

    lines: int
    seconds: float
    steps: int


def run_whole(words: list[str], folder: Path) -> Whole:
    """Run without a stop."""
    process, began, ends = start([*words, "--out", str(folder)]), time.monotonic(), []
    assert process.stdout is not None
    for text in takewhile(lambda text: text.startswith("epoch"), process.stdout):
        ends.append((time.monotonic() - began, int(text.partition("step ")[2].partition("/")[0])))
    finish(process)
    return Whole(len(ends), ends[-1][0] / len(ends), ends[-1][1])


def run_cut(words: list[str], folder: Path, whole: Whole, chosen: random.Random, most: int) -> list[dict[str, int]]:
    """Run, kill at most so often, resume until the run has ended; where its last checkpoint stood at each kill.

    A kill comes after a random one of the lines that are left, and a random part of the time to the next.
    """
    words, places = [*words, "--out", str(folder)], []
    for _ in range(chosen.randint(1, most)):
        process, done = start(words), places[-1].get("step", 0) if places else 0
        assert process.stdout is not None
        for _ in range(chosen.randrange(max(1, round(whole.lines * (1 - done / whole.steps))))):
            process.stdout.readline()
        time.sleep(chosen.uniform(0, whole.seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        words = ["--resume", str(folder)]
        if (folder / "summary.json").is_file():  # the kill came too late
            break
        places.append(place(folder))
    finish(start(words))
    return places


def place(folder: Path) -> dict[str, int]:
    """The steps, whole epochs and batches of the next epoch that the last checkpoint of a run has; {} without one."""
    from hpnets.training import RunFolder
    from hpnets.training.checkpoints import read_checkpoint

    if not RunFolder(folder).last.is_file():
        return {}
    saved = read_checkpoint(RunFolder(folder).last)
    loops = saved["loops"]["fit_loop"]
    counts = {"epochs": loops["epoch_progress"], "batches": loops["epoch_loop.batch_progress"]}
    return {"step": saved["global_step"], **{what: of["current"]["completed"] for what, of in counts.items()}}


def page(record: dict[str, Any]) -> str:
    """README.md: the verdict, the command and a table with a row for each run."""
    from hpnets.statistics import table

    rows, where = record["runs"], record["environment"]
    same = sum(all(row["same"].values()) for row in rows)
    verdict = f"**{same} of {len(rows)} runs, killed {sum(len(row['kills']) for row in rows)} times, are the same.**"
    on = f"{where['started'][:10]}, {where['device']}, torch {where['versions']['torch']}, commit {where['commit']}."
    head = HEAD.format(verdict=verdict, command=record["command"], environment=on)
    options = "\n".join(f"- {name}: `{words}`" for name, words in record["flags"].items())
    lines = [line(i, row).split(" | ") for i, row in enumerate(rows, 1)]
    return f"{head}\n{table(['run', 'options', 'killed after', *FILES], lines)}\n\n{options}\n"


def line(i: int, row: dict[str, Any]) -> str:
    """The cells of a row, between bars."""
    places = [
        f"step {k['step']} ({k['epochs']} epochs and {k['batches']} batches)" if k else "no checkpoint"
        for k in row["kills"]
    ]
    verdicts = ["same" if row["same"][file] else "DIFFERS" for file in FILES]
    return " | ".join([str(i), row["options"], "; ".join(places) or "not killed in time", *verdicts])


if __name__ == "__main__":
    run_command(kills)
