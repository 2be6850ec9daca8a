"""Train a network on a task, with its neural tangent kernel tracked: python recipes/train.py --model ccp"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from jsonargparse import auto_cli

from hpnets.cli import INTERRUPTED, Parser, fail, run_main
from hpnets.files import read_yaml
from hpnets.options import GANOptions, NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.validate import shown

DEFAULTS = {"model": "ccp", "task": "digits"}
GROUPS = ("model", "task", "optim", "ntk", "trainer", "gan")


class TrainParser(Parser):
    """Shows --model NAME and --task NAME (`main` rewrites them to --model.name NAME) in place of the group's file."""

    def format_help(self) -> str:
        for kind in DEFAULTS:
            self._option_string_actions[f"--{kind}"].metavar = "NAME"
            self._option_string_actions[f"--{kind}"].help = f"one of --list_{kind}s (default: {DEFAULTS[kind]})"
            self._option_string_actions[f"--{kind}.name"].help = argparse.SUPPRESS
        return super().format_help()


def typed_train(model_type: type, task_type: type) -> Callable[..., None]:
    """The function whose signature is the command line; the model's and the task's own options differ by name."""

    def train(
        model: model_type = model_type(),  # type: ignore[valid-type]
        task: task_type = task_type(),  # type: ignore[valid-type]
        optim: OptimOptions = OptimOptions(),
        ntk: NTKOptions = NTKOptions(),
        trainer: TrainerOptions = TrainerOptions(),
        gan: GANOptions = GANOptions(),
        wandb: Literal["online", "offline", "off", "auto"] = "auto",
        seed: int = 0,
        out: str | None = None,
        resume: str | None = None,
        list_models: bool = False,
        list_tasks: bool = False,
    ) -> None:
        """Train a network on a task, with its neural tangent kernel tracked.

        Args:
            model: the network: --model NAME, then --model.<option>; --model NAME --help shows its options
            task: what is learnt: --task NAME, then --task.<option>; --task NAME --help shows its options
            optim: the optimiser
            ntk: the kernel tracking
            trainer: the trainer
            gan: adversarial training, of models that generate pictures
            wandb: where to log beside the run folder; auto is online with a key, else offline
            seed: of the weights and of what is drawn in training; --task.seed is that of split, order and probe
            out: the run folder, new; by default runs/MODEL-TASK-TIME
            resume: go on with the run in this folder, with its own options; no other flag
            list_models: print the models, one a line, and exit
            list_tasks: print the tasks, one a line, and exit
        """
        if resume or list_models or list_tasks:
            raise ValueError(
                "resume, list_models and list_tasks are flags; allowed in a config file: the other options"
            )
        options = RunOptions(dataclasses.asdict(model), dataclasses.asdict(task), optim, ntk, trainer, gan, wandb, seed)
        run(options, new_folder(out, options), resume=False)

    return train


def main() -> None:
    argv = sys.argv[1:]
    if "--list_models" in argv or "--list_tasks" in argv:
        return print("\n".join(listing("model" if "--list_models" in argv else "task")))
    if any(word == "--resume" or word.startswith("--resume=") for word in argv):
        return resume(argv)
    chosen = {kind: chosen_name(kind, argv) for kind in DEFAULTS}
    # General help must answer at once, so it does not import torch to ask the default model for its options.
    general_help = bool({"-h", "--help"} & set(argv))
    types = [options_type(k, n or DEFAULTS[k], ask=bool(n) or not general_help) for k, n in chosen.items()]
    argv = [f"{word[:7]}.name{word[7:]}" if is_flag(word, "model") else word for word in argv]
    argv = [f"{word[:6]}.name{word[6:]}" if is_flag(word, "task") else word for word in argv]
    auto_cli(typed_train(*types), args=argv, parser_class=TrainParser, as_positional=False)


def is_flag(word: str, kind: str) -> bool:
    """Whether `word` is --model or --model=NAME."""
    return word == f"--{kind}" or word.startswith(f"--{kind}=")


def chosen_name(kind: str, argv: list[str]) -> str | None:
    """The model's or task's name as given by the flags, else by the config file, else None."""
    name = None
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        if is_flag(word, kind) or is_flag(word, f"{kind}.name"):
            name = word.partition("=")[2] if "=" in word else following
        elif is_flag(word, "config") and name is None:
            name = name_in_config(kind, Path(word.partition("=")[2] or following))
    return name


def name_in_config(kind: str, config: Path) -> str | None:
    """The name in a config file, where it has one; ValueError for a file that is not made of groups of options."""
    if not os.path.isfile(config):
        return None  # the parser reports it
    content = read_yaml(config)
    groups = {"the configuration": content}
    if isinstance(content, dict):
        groups |= {key: content[key] for key in GROUPS if key in content}
    for key, group in groups.items():
        if not isinstance(group, dict):
            raise ValueError(
                f"{config}: {key} is {shown(group)}; allowed: options by name, as --print_config shows them"
            )
    name = groups.get(kind, {}).get("name")
    return None if name is None else str(name)


def listing(kind: str) -> list[str]:
    """What is registered of a kind, one a line: name and what it is."""
    from hpnets.models import list_models, model_summary
    from hpnets.tasks import list_tasks, task_summary

    names, summary = (list_models(), model_summary) if kind == "model" else (list_tasks(), task_summary)
    return [f"{name:<{max(map(len, names))}}  {summary(name)}" for name in names]


def options_type(kind: str, name: str, ask: bool) -> type:
    """A dataclass with `name` and the options of that model or task, as its constructor declares them."""
    fields, docs = [("name", str, name)], {}
    if ask:
        from hpnets.models import model_option_docs, model_options
        from hpnets.tasks import task_option_docs, task_options

        docs = (model_option_docs if kind == "model" else task_option_docs)(name)
        for key, p in (model_options if kind == "model" else task_options)(name).items():
            default = dataclasses.field(default_factory=lambda value=p.default: value)
            fields.append((key, p.annotation, default))
    # jsonargparse reads what an option is from the docstring.
    lines = [f"    {key}: {option.line}" for key, option in docs.items()]
    text = "\n".join([f"The options of {name}.", "", "Args:", *lines])
    return dataclasses.make_dataclass(kind.capitalize(), fields, namespace={"__doc__": text})


def new_folder(out: str | None, options: RunOptions) -> Path:
    """--out, or a name from model, task and time, which the processes that Lightning starts find in the environment."""
    if out is None and int(os.environ.get("WORLD_SIZE", 1)) > 1 and "HPNETS_OUT" not in os.environ:
        raise ValueError("--out is needed under a launcher: each process would choose its own run folder")
    name = f"runs/{options.model['name']}-{options.task['name']}-{time.strftime('%Y%m%d-%H%M%S')}"
    if out is None and options.trainer.devices > 1:
        name = os.environ.setdefault("HPNETS_OUT", name)
    return Path(out or name)


def resume(argv: list[str]) -> None:
    """--resume FOLDER, alone: all other options are those of the run."""
    words = [*argv[0].split("=", 1), *argv[1:]]
    if len(words) != 2 or words[0] != "--resume":
        raise ValueError("--resume takes a run folder and no other flag: all options are those of its config.yaml")
    from hpnets.training import RunFolder

    folder = Path(words[1])
    run(RunFolder(folder).options(), folder, resume=True)


def run(options: RunOptions, folder: Path, resume: bool) -> None:
    """Train, draw, and say what came out."""
    from hpnets.report import draw_curves
    from hpnets.training import Interrupted, NonFiniteError, train
    from hpnets.zoo import features_for

    go_on = f"go on with: python recipes/train.py --resume {folder}"
    try:
        features = features_for(options.model["name"], options.task["name"])
        summary = train(options, folder, resume, features)
    except NonFiniteError as error:
        fail(str(error), status=1)
    except (Interrupted, KeyboardInterrupt) as error:
        fail(f"{str(error) or 'stopped'}; {go_on}" if folder.exists() else "stopped", INTERRUPTED)
    if summary.results:
        draw_curves(folder)
        print(describe(summary.results, folder))


def describe(results: dict[str, Any], folder: Path) -> str:
    """The closing lines of a run."""
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in results["metrics"].items())
    kernel = results["kernel"]
    top = "  ".join(f"{value:.4g}" for value in results["fingerprint"]["eigenvalues"])
    drift = "  ".join(
        f"{name} {kernel[name]:.4g}" for name in ("drift", "cosine_drift") if kernel.get(name) is not None
    )
    return "\n".join(
        [
            f"{results['model']} on {results['task']}: {results['parameters']:,} parameters, {results['steps']} steps, "
            f"{results['seconds']:.1f} s",
            f"  metrics          {metrics}",
            *([f"  kernel           {drift}"] if drift else []),
            f"  top eigenvalues  {top}",
            f"  run folder       {folder}",
            f"  look at          {folder / 'curves.svg'}",
            f"  check it         python recipes/evaluate.py --checkpoint {folder}",
        ]
    )


if __name__ == "__main__":
    run_main(main)
