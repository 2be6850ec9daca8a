"""Check a checkpoint or a finished run against what was recorded: hpnets evaluate --checkpoint ccp-digits"""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.commands.own_code import ImportParser, as_words, take_imports
from hpnets.commands.parser import call
from hpnets.commands.process import fail
from hpnets.imported import Imports, unlike
from hpnets.options import AttackOptions

if TYPE_CHECKING:
    from torch import nn

    from hpnets.tasks import Task

NO_ATTACK = AttackOptions()
METRIC_TOLERANCE = 1e-4
KERNEL_TOLERANCE = 1e-6


def main(argv: list[str]) -> None:
    """Evaluate the checkpoint or run that the options in `argv` name."""
    words, given = take_imports(argv)
    call(evaluate, [*words, *as_words(given)], ImportParser)


def evaluate(
    checkpoint: str,
    root: str | None = None,
    attack: AttackOptions = NO_ATTACK,
    imports: dict[str, str] | None = None,
) -> None:
    """Measure test metrics and kernel fingerprint again; if they differ from the record, say where and exit with 1.

    Of a .ckpt file, which has no record, the metrics are printed. With --attack.eps the accuracy under that attack is
    printed too.

    Args:
        checkpoint: a pretrained network's name, the folder of a finished run, or a .ckpt file of a run
        root: the folder of the task's data, if it is not where the run had it
        attack: the attack on the test samples
        imports: the Python file or module that a run imported, which is not executed unasked; may be repeated
    """
    if not attack.eps and attack != NO_ATTACK:
        raise ValueError("attack.eps is 0; allowed with other options of the attack: > 0")
    if checkpoint.endswith(".ckpt"):
        return print_metrics(Path(checkpoint), root, attack)
    from hpnets.ntk import fingerprint
    from hpnets.training import evaluate as test

    # For a name that is too long, os.path.isdir is False, while Path.is_dir raises.
    if os.path.isdir(checkpoint):
        net, task, recorded = from_run(Path(checkpoint), root, imports or {})
    else:
        net, task, recorded = from_zoo(checkpoint, root)
    check_radius(task, attack)
    measured: dict[str, Any] = {
        "metrics": test(net, task),
        "fingerprint": fingerprint(net, task.probe(recorded["fingerprint"]["probe"]).x),
    }
    wrong = [*compare(recorded["metrics"], measured["metrics"], METRIC_TOLERANCE)]
    wrong += compare(flat(recorded["fingerprint"]), flat(measured["fingerprint"]), KERNEL_TOLERANCE)
    print_values({**measured["metrics"], **flat(measured["fingerprint"])})
    if wrong:
        fail(f"{checkpoint} differs from what was recorded: {'; '.join(wrong)}", status=1)
    print(f"{checkpoint}: metrics and kernel fingerprint are as recorded")
    print_attacked(net, task, attack)


def print_metrics(path: Path, root: str | None, attack: AttackOptions) -> None:
    """Print the test metrics of the network that a .ckpt file publishes."""
    from hpnets.training import evaluate as test
    from hpnets.training import load_checkpoint

    net, task, place = load_checkpoint(path, root=root)
    check_radius(task, attack)
    print_values(test(net, task))
    print(f"{path}: epoch {place['epoch']}, step {place['step']}; a checkpoint has no record to compare with")
    print_attacked(net, task, attack)


def check_radius(task: "Task", attack: AttackOptions) -> None:
    """Raise ValueError for an attack on a task without classes."""
    from hpnets.training import check_attack

    if attack.eps:
        check_attack(task, attack)


def print_attacked(net: "nn.Module", task: "Task", attack: AttackOptions) -> None:
    """Print the accuracy on clean samples and under the attack, if there is one, with all its settings."""
    from hpnets.training import evaluate_attacked

    if attack.eps:
        values = evaluate_attacked(net, task, attack)
        print(f"under attack: {attack}")
        print_values(values)


def print_values(values: dict[str, float]) -> None:
    """Print numbers by name, one a line."""
    for name, value in values.items():
        print(f"  {name:18s} {value:.8g}")


def from_zoo(name: str, root: str | None) -> tuple["nn.Module", "Task", dict[str, Any]]:
    """The network, the task and the record of a pretrained network; ValueError if its preprocessing differs."""
    from hpnets.models import generates_pictures
    from hpnets.tasks import Task, create_task
    from hpnets.tasks.generation import GenerationTask
    from hpnets.tasks.own_data import moved
    from hpnets.zoo import features_for, load_pretrained, pretrained_entry

    if "/" in name:
        raise ValueError(f"no such run folder: {Path(name).absolute()}")
    entry = pretrained_entry(name)
    net, _ = load_pretrained(name)
    options = moved(entry.task, root) if root else dict(entry.task)
    task: Task = create_task(options.pop("name"), **options)
    if generates_pictures(entry.model["name"]):
        latent = entry.input_shape[0]
        task = GenerationTask(task, latent, features_for(entry.model["name"], entry.task["name"]))
    task.prepare_data()
    task.setup("fit")
    if task.preprocessing != entry.preprocessing:
        raise ValueError(f"{name}: preprocessing {entry.preprocessing} is not that of its task, {task.preprocessing}")
    metrics = {key: value["weights"] for key, value in entry.metrics.items()}
    return net, task, {"metrics": metrics, "fingerprint": entry.fingerprint}


def from_run(folder: Path, root: str | None, given: Imports) -> tuple["nn.Module", "Task", dict[str, Any]]:
    """The network, the task and the summary of a finished run; says which imported code has changed since."""
    from hpnets.training import RunFolder, load_run
    from hpnets.zoo import features_for

    options = RunFolder(folder).options()
    for name in unlike(options.imports, given) if given else []:
        print(f"{name} was changed since the run imported it", file=sys.stderr)
    return load_run(folder, features_for(options.model["name"], options.task["name"]), root)


def flat(fingerprint: dict[str, Any]) -> dict[str, float]:
    """A fingerprint as numbers by name."""
    eigenvalues = {f"eigenvalue {i}": value for i, value in enumerate(fingerprint["eigenvalues"], 1)}
    return {"kernel trace": fingerprint["trace"], **eigenvalues}


def compare(recorded: dict[str, float], measured: dict[str, float], tolerance: float) -> list[str]:
    """One text for each value that differs by more than `tolerance`, relative above 1 and absolute below."""
    return [
        f"{name} is {measured.get(name)}, recorded {value}"
        for name, value in recorded.items()
        if not math.isclose(measured.get(name, math.nan), value, rel_tol=tolerance, abs_tol=tolerance)
    ]
