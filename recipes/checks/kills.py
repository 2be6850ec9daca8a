"""Runs are killed at random moments and resumed: python -m recipes.checks.kills --runs 20 --out docs/results/kills"""

import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from hpnets.commands.parser import run_command

# A fork server that has imported these starts a run in a tenth of a second instead of five seconds.
PRELOADED = ["hpnets.training", "hpnets.report", "hpnets.zoo", "hpnets.commands.train"]
RESULTS, PAGE = "results.json", "README.md"
FILES = ("model.safetensors", "metrics.csv", "ntk.safetensors")
COMMON = (
    "--model ccp --model.width 128 --task digits --task.batch_size 32 --trainer.max_epochs 8 --trainer.save_every 5 "
    "--ntk.every 11 --ntk.probe 50 --trainer.accelerator cpu --wandb off"
)
# What a run is made with beside COMMON, by name.
CASES = {
    "plain": "",
    "augmentation, cosine, warmup": "--task.augment crop --optim.schedule cosine --optim.warmup 20 --optim.clip 1",
    "averaged weights, wsd": "--optim.ema 0.95 --optim.schedule wsd --optim.name adamw --optim.weight_decay 0.01",
    "accumulation, mixup": "--trainer.accumulate_grad_batches 3 --trainer.save_every 2 --optim.mixup 0.2",
    "validation in mid-epoch": "--trainer.val_every 13 --trainer.save_every 1s --optim.label_smoothing 0.1",
    "steps instead of epochs": "--trainer.max_steps 280 --trainer.val_every 50 --optim.name sgd --optim.nesterov true",
    "batch norm, a share of each epoch": "--model resnet18 --model.width 4 --trainer.limit_train_batches 0.4",
    "all of it": "--task.augment crop --optim.mixup 0.2 --optim.schedule cosine --optim.warmup 0.1 --optim.ema 0.9 "
    "--optim.clip 1 --trainer.accumulate_grad_batches 2 --trainer.val_every 13 --trainer.save_every 3",
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
                whole[name] = run_whole(f"{COMMON} {CASES[name]}".split(), uncut)
            places = run_cut(f"{COMMON} {CASES[name]}".split(), cut, whole[name], chosen, most)
            same = {file: (uncut / file).read_bytes() == (cut / file).read_bytes() for file in FILES}
            rows.append({"options": name, "kills": places, "same": same})
            print(line(i + 1, rows[-1]), flush=True)
    record: dict[str, Any] = {
        "command": f"python -m recipes.checks.kills --runs {runs} --most {most} --seed {seed} --out {out}"
    }
    record |= {"flags": {name: f"{COMMON} {CASES[name]}" for name in CASES}, "environment": environment(), "runs": rows}
    write_json(Path(out) / RESULTS, record)
    write_text(Path(out) / PAGE, page(record))


class Started:
    """`hpnets train` in a process of its own, on one thread, that writes what it prints to a file."""

    def __init__(self, words: list[str], log: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self.log, self.process = log, context.Process(target=train_logged, args=(words, str(log)))
        log.unlink(missing_ok=True)
        self.process.start()

    def lines(self) -> list[str]:
        """The lines about training that were printed so far, without the opening one."""
        text = self.log.read_text() if self.log.is_file() else ""
        return [line for line in text.splitlines() if line.startswith("epoch ")]

    def begun(self) -> bool:
        """Whether the opening line was printed."""
        return self.log.is_file() and self.log.stat().st_size > 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, or the process has ended."""
        while self.process.is_alive() and not condition():
            time.sleep(0.002)

    def finish(self) -> None:
        """Wait for the end; RuntimeError if it is not a good one."""
        self.process.join()
        if self.process.exitcode:
            raise RuntimeError(f"the run ended with {self.process.exitcode}; what it printed is in {self.log}")


def train_logged(words: list[str], log: str) -> None:
    """Run `hpnets train` with these words, its output written to a file."""
    import torch

    from hpnets.commands.train import main

    torch.set_num_threads(1)
    with open(log, "w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        main(words)


class Whole(NamedTuple):
    """What a run that was not stopped printed: lines of its training, seconds from one to the next, its steps."""

    lines: int
    seconds: float
    steps: int


def run_whole(words: list[str], folder: Path) -> Whole:
    """Run without a stop."""
    run = Started([*words, "--out", str(folder)], folder.with_suffix(".log"))
    run.wait_for(run.begun)
    began = time.monotonic()
    run.finish()
    lines = run.lines()
    return Whole(len(lines), (time.monotonic() - began) / len(lines), steps_in(lines[-1]))


def steps_in(line: str) -> int:
    """The step that a line names: epoch 1/8  step 37/296  ..."""
    return int(line.partition("step ")[2].partition("/")[0])


def run_cut(words: list[str], folder: Path, whole: Whole, chosen: random.Random, most: int) -> list[dict[str, int]]:
    """Run, kill at most so often, resume until the run has ended; where its last checkpoint stood at each kill.

    A kill comes after a random one of the lines that are left, and a random part of the time to the next.
    """
    words, log = [*words, "--out", str(folder)], folder.with_suffix(".log")
    places: list[dict[str, int]] = []
    for _ in range(chosen.randint(1, most)):
        run, left = Started(words, log), 1 - (places[-1].get("step", 0) if places else 0) / whole.steps
        line = chosen.randrange(max(1, round(whole.lines * left)))
        run.wait_for(lambda: run.begun() and len(run.lines()) >= line)  # noqa: B023  (waited for at once)
        time.sleep(chosen.uniform(0, whole.seconds))
        run.process.kill()
        run.process.join()
        words = ["--resume", str(folder)]
        if (folder / "summary.json").is_file():  # the kill came too late
            break
        places.append(place(folder))
    Started(words, log).finish()
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
