"""Train a network on a task, with its neural tangent kernel tracked: hpnets train --model ccp"""

import argparse
import dataclasses
import re
from collections.abc import Callable
from typing import Any, Literal

from hpnets.commands import training_run
from hpnets.commands.chosen import DEFAULTS, chosen_names, is_flag, options_type
from hpnets.commands.listing import listing
from hpnets.commands.own_code import ImportParser, as_words, import_configured, take_imports
from hpnets.commands.parser import call
from hpnets.options import (
    AdversarialOptions,
    CurvatureOptions,
    GANOptions,
    NTKOptions,
    OptimOptions,
    RunOptions,
    TrainerOptions,
    WandbOptions,
)

# Groups that are given by a word: --model NAME stands for --model.name NAME. What --help says of it.
WORDS = {kind: ("name", "NAME", f"one of --list_{kind}s (default: {name})") for kind, name in DEFAULTS.items()}
WORDS["wandb"] = ("mode", "MODE", "online, offline, off, or auto: online with a key, else offline (default: auto)")


class TrainParser(ImportParser):
    """Shows --model NAME, --task NAME and --wandb MODE in its help; `main` rewrites them to --model.name NAME etc."""

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        for group, (option, metavar, text) in WORDS.items():
            self._option_string_actions[f"--{group}"].metavar = metavar
            self._option_string_actions[f"--{group}"].help = text
            self._option_string_actions[f"--{group}.{option}"].help = argparse.SUPPRESS
        return super().format_help(*args, **kwargs)

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Any:
        """Parse a config file's text, in which wandb may be a mode, as in the run folders of earlier versions."""
        content = re.sub(r"^wandb:[ \t]+([^\s{#]+)", r"wandb: {mode: \1}", content, flags=re.MULTILINE)
        return super().parse_string(content, *args, **kwargs)


def typed_train(model_type: type, task_type: type) -> Callable[..., None]:
    """The function whose signature is the command line; its types hold the options of the chosen model and task."""

    def train(
        model: model_type = model_type(),  # type: ignore[valid-type]
        task: task_type = task_type(),  # type: ignore[valid-type]
        optim: OptimOptions = OptimOptions(),
        ntk: NTKOptions = NTKOptions(),
        curvature: CurvatureOptions = CurvatureOptions(),
        trainer: TrainerOptions = TrainerOptions(),
        gan: GANOptions = GANOptions(),
        adversarial: AdversarialOptions = AdversarialOptions(),
        wandb: WandbOptions = WandbOptions(),
        seed: int = 0,
        init_from: str | None = None,
        freeze: str = "",
        dynamics: Literal["network", "linearised", "centred"] = "network",
        imports: dict[str, str] | None = None,
        out: str | None = None,
        resume: str | None = None,
        dry_run: bool = False,
        report: bool = False,
        list_models: bool = False,
        list_tasks: bool = False,
    ) -> None:
        """Train a network on a task, with its neural tangent kernel tracked.

        Args:
            model: the network: --model NAME, then --model.<option>; --model NAME --help shows its options
            task: what is learnt: --task NAME, then --task.<option>; --task NAME --help shows its options
            optim: the optimiser
            ntk: the kernel tracking
            curvature: the curvature tracking
            trainer: the trainer
            gan: the adversarial training of models that generate pictures
            adversarial: the training of classifiers on attacked samples
            wandb: logging to wandb, beside the run folder: --wandb MODE, then --wandb.<option>
            seed: the seed of the weights and of training; --task.seed is that of split, order and probe set
            init_from: start with the weights of this pretrained network, run folder or .ckpt file; a head of another
                size, and whatever else does not fit, starts as it is drawn
            freeze: shell patterns, parted by commas, of parameters or modules that are not trained
            dynamics: train the network, or on the frozen kernel of --init_from: linearised, f_0 + J d, or centred, J d
            imports: a Python file or module that registers models, tasks, optimisers or metrics of your own; may be
                repeated
            out: a new folder for the run; by default runs/MODEL-TASK-TIME
            resume: go on with the run in this folder, with its own options; docs/howto/resume.md says which may change
            dry_run: try all that the run does on a few steps, and leave nothing
            report: write report.html of the run into its folder when it has ended
            list_models: print the models, one a line, and exit
            list_tasks: print the tasks, one a line, and exit
        """
        if resume or list_models or list_tasks:
            raise ValueError(
                "resume, list_models and list_tasks are flags; allowed in a config file: the other options"
            )
        names = dataclasses.asdict(model), dataclasses.asdict(task)
        options = RunOptions(
            *names,
            optim,
            ntk,
            curvature,
            trainer,
            gan,
            adversarial,
            wandb,
            seed,
            init_from,
            freeze,
            dynamics,
            imports or {},
        )
        if dry_run:
            return training_run.try_run(options, out)
        training_run.start(options, out, report)

    return train


def main(argv: list[str]) -> None:
    """Train, resume or list, as the options in `argv` say."""
    argv, given = take_imports(argv)
    if "--list_models" in argv or "--list_tasks" in argv:
        return print("\n".join(listing("model" if "--list_models" in argv else "task")))
    imports = import_configured(argv, given)
    # General help must answer at once, so it does not import torch for the options of the default model.
    general_help = bool({"-h", "--help"} & set(argv))
    if not general_help and any(is_flag(word, "resume") for word in argv):
        return training_run.resume(argv)
    names = chosen_names(argv)
    types = [options_type(kind, name or DEFAULTS[kind], bool(name) or not general_help) for kind, name in names.items()]
    for group, (option, *_) in WORDS.items():
        argv = [word.replace(f"--{group}", f"--{group}.{option}", 1) if is_flag(word, group) else word for word in argv]
    call(typed_train(*types), [*argv, *as_words(imports)], TrainParser)
