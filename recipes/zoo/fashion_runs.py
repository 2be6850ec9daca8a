"""The runs of the zoo on Fashion-MNIST: the networks, one FLOP budget for all, three rates each, then three seeds."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.zoo.cells import SEEDS, TWIN
from recipes.zoo.trials import Choice, choose, train_trial

if TYPE_CHECKING:
    from hpnets.options import RunOptions
    from hpnets.training import RunFolder

TASK, SHAPE, CLASSES, IMAGES = "fashion_mnist", (1, 28, 28), 10, 60_000
BATCH, PROBE, VALIDATION = 512, 50, 0.1
TRIAL_PROBE = 5  # of runs that try a rate, for their fingerprint alone
TRIAL = 3  # a run that tries a rate has a third of the steps, of a network as of its twin
RATES = (0.001, 0.003, 0.01)
TRAINING = 3  # a step costs about three forward passes
# Widths are such that an image costs all networks about as much, so that one budget is about as many epochs of each.
# Those that take a GPU longest come first.
NETS: dict[str, dict[str, Any]] = {
    "polynext": {"width": 22},
    "mambaout": {"width": 20},
    "monet": {"width": 28, "depth": 2},
    "resnet18": {"width": 10},
    "rpolynet": {},
    "starnet": {"width": 24},
    "style_classifier": {},
    "cnn": {"width": 28},
}
TWINLESS = ("cnn", "resnet18")


@dataclass(frozen=True)
class Length:
    """How long runs are: the FLOPs of training, a forward pass counted three times, and the seeds of the last runs."""

    flops: float = 1.8e13
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
        return f"{self.model}{TWIN}" if self.twin else self.model

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
        steps = self.steps if last else max(1, self.steps // TRIAL)
        options = RunOptions(
            model=model,
            task=task,
            optim=OptimOptions("adamw", rate, weight_decay=0.05, schedule="cosine", warmup=0.1),
            ntk=NTKOptions(PROBE, every=math.ceil(self.steps / 2)) if last else NTKOptions(TRIAL_PROBE, every="off"),
            # Validated at the end alone: rates are compared by their last weights.
            trainer=TrainerOptions(max_steps=steps, accelerator=self.device, val_every=f"{steps}epochs"),
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

    def choice(self) -> Choice:
        """The rate of the greatest validation accuracy; raises ValueError if a trial has not ended."""
        return choose({rate: [self.trial(rate)] for rate in RATES})

    def train(self) -> None:
        """Train what is missing: a rate each, then the seeds at the best; interrupted runs go on."""
        import torch

        torch.backends.cudnn.benchmark = self.device == "gpu"  # convolutions of few channels gain most by the choice
        for rate in RATES:
            train_trial(self.trial(rate), self.options(rate, SEEDS[0], last=False))
        best = self.choice().rate
        for run, seed in zip(self.last(), self.length.seeds, strict=True):
            train_trial(run, self.options(best, seed, last=True))


def sides(out: Path, device: str, length: Length, models: list[str]) -> list[Side]:
    """Every network and twin."""
    both = [(model, twin) for model in models for twin in (False, True) if not (twin and model in TWINLESS)]
    return [Side(model, twin, out, device, length) for model, twin in both]
