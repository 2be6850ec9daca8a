"""The runs of the zoo on Fashion-MNIST: the networks, one FLOP budget for all, three rates each, then three seeds."""

import csv
import math
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.zoo.cells import SEEDS

if TYPE_CHECKING:
    from hpnets.options import RunOptions
    from hpnets.training import RunFolder

TASK, SHAPE, CLASSES, IMAGES = "fashion_mnist", (1, 28, 28), 10, 60_000
BATCH, PROBE, VALIDATION = 512, 50, 0.1
RATES = (0.001, 0.003, 0.01)
TRAINING = 3  # a step costs about three forward passes
# Widths are such that an image costs all networks about as much, so that one budget is about as many epochs of each.
NETS: dict[str, dict[str, Any]] = {
    "rpolynet": {},
    "monet": {"width": 28, "depth": 2},
    "starnet": {"width": 24},
    "mambaout": {"width": 20},
    "style_classifier": {},
    "polynext": {"width": 22},
    "cnn": {"width": 28},
    "resnet18": {"width": 10},
}
TWINLESS = ("cnn", "resnet18")


@dataclass(frozen=True)
class Length:
    """How long runs are: the FLOPs of training, a forward pass counted three times, and the seeds of the last runs."""

    flops: float = 8e13
    seeds: tuple[int, ...] = SEEDS


@dataclass(frozen=True)
class Side:
    """A network or its additive twin, on `device`, with its runs in <out>/<name>."""

    model: str
    twin: bool
    out: Path
    device: str
    length: Length = field(default_factory=Length)

    @property
    def name(self) -> str:
        return f"{self.model}_sum" if self.twin else self.model

    @property
    def path(self) -> Path:
        return self.out / self.name

    @property
    def log(self) -> Path:
        return self.out / f"{self.name}.log"

    @cached_property
    def steps(self) -> int:
        """The steps that the budget allows, those of the network for its twin too."""
        from hpnets.models import create_model
        from hpnets.models.cost import cost

        net = create_model(self.model, input_shape=SHAPE, output_dim=CLASSES, **NETS[self.model])
        return max(1, round(self.length.flops / (TRAINING * cost(net, SHAPE).flops * BATCH)))

    def options(self, rate: float, seed: int, last: bool) -> "RunOptions":
        """All options of a run: one that tries a rate on a split, or one of the last, on all images and tracked."""
        from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions, WandbOptions
        from hpnets.training.build import complete

        model = {"name": self.model, **NETS[self.model], **({"product": "sum"} if self.twin else {})}
        task = {"name": TASK, "batch_size": BATCH, "validation": 0.0 if last else VALIDATION}
        options = RunOptions(
            model=model,
            task=task,
            optim=OptimOptions("adamw", rate, weight_decay=0.05, schedule="cosine", warmup=0.1),
            ntk=NTKOptions(PROBE, every=math.ceil(self.steps / 2) if last else "off"),
            # Validated at the end alone: rates are compared by their last weights.
            trainer=TrainerOptions(max_steps=self.steps, accelerator=self.device, val_every=f"{self.steps}epochs"),
            wandb=WandbOptions("off"),
            seed=seed,
        )
        return complete(options)

    def trial(self, rate: float) -> "RunFolder":
        """The folder of the run that tries a rate."""
        from hpnets.training import RunFolder

        return RunFolder(self.path / f"rate-{rate:g}")

    def last(self) -> "list[RunFolder]":
        """The folders of the last runs, one for each seed."""
        from hpnets.training import RunFolder

        return [RunFolder(self.path / f"seed{seed}") for seed in self.length.seeds]

    def validated(self) -> dict[float, float]:
        """The validation accuracy of the last weights at each rate; raises ValueError if a trial has not ended."""
        return {rate: last_value(self.trial(rate), "val/accuracy") for rate in RATES}

    def best_rate(self) -> float:
        """The rate of the greatest validation accuracy."""
        accuracies = self.validated()
        return max(accuracies, key=lambda rate: accuracies[rate])

    def train(self) -> None:
        """Train what is missing: a rate each, then the seeds at the best; interrupted runs go on."""
        for rate in RATES:
            self._run(self.trial(rate), self.options(rate, SEEDS[0], last=False))
        best = self.best_rate()
        for run, seed in zip(self.last(), self.length.seeds, strict=True):
            self._run(run, self.options(best, seed, last=True))

    @staticmethod
    def _run(run: "RunFolder", options: "RunOptions") -> None:
        from hpnets.training import NonFiniteError, train

        if run.summary.is_file() or (run.path / DIVERGED).is_file():
            return
        resume = run.env.is_file()  # a run writes env.json as the last of its first files
        if not resume:
            shutil.rmtree(run.path, ignore_errors=True)
        try:
            train(options, run.path, resume)
        except NonFiniteError as error:
            if options.task["validation"] == 0:
                raise
            (run.path / DIVERGED).write_text(f"{error}\n")


DIVERGED = "diverged.txt"


def last_value(run: "RunFolder", name: str) -> float:
    """The last value of a column of metrics.csv, -inf if the run diverged; ValueError if it has not ended."""
    if (run.path / DIVERGED).is_file():
        return -math.inf
    run.read_summary()
    with run.metrics.open(newline="") as file:
        values = [row[name] for row in csv.DictReader(file) if row.get(name)]
    return float(values[-1])


def sides(out: Path, device: str, length: Length, models: list[str]) -> list[Side]:
    """Every network and twin."""
    both = [(model, twin) for model in models for twin in (False, True) if not (twin and model in TWINLESS)]
    return [Side(model, twin, out, device, length) for model, twin in both]
