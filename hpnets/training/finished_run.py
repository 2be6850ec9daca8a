"""A run is read back: its network, its task, and its summary or the place of a checkpoint in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from hpnets.atomic_files import read_tensors
from hpnets.tasks import Task
from hpnets.tasks.generation import Features
from hpnets.tasks.own_data import moved
from hpnets.training.build import build
from hpnets.training.checkpoints import read_checkpoint
from hpnets.training.module_of import module_of
from hpnets.training.read_back import check_checkpoint, check_tensors, naming, options_of
from hpnets.training.run_folder import RunFolder
from hpnets.zoo import features_for


def load_run(
    path: Path,
    features: Features | None = None,
    root: str | None = None,
    *,
    net: nn.Module | None = None,
    task: Task | None = None,
) -> tuple[nn.Module, Task, dict[str, Any]]:
    """The network (in eval mode), the task and the summary of a finished run; the weights are checked by their hash.

    features: a network's features by which generated pictures are measured, for models that make some. root: the folder
    of the data, if it is not where the run had it. net, task: what `train` was given in the place of names; the weights
    are put into `net`. Raises ValueError for a run that has not ended, and for files that are not as it wrote them.
    Code that the run imported is never executed here.
    """
    folder = RunFolder(path)
    summary = folder.read_summary()
    weights = read_tensors(folder.weights, summary["sha256"])
    options = folder.options()
    options = replace(options, task=moved(options.task, root)) if root else options
    with naming(folder.config):
        made, task = build(options, features, net, task)
    check_tensors(folder.weights, weights, made.state_dict(), folder.config)
    made.load_state_dict(weights)
    return made.eval(), task, summary


def load_checkpoint(
    path: Path,
    features: Features | None = None,
    root: str | None = None,
    *,
    net: nn.Module | None = None,
    task: Task | None = None,
) -> tuple[nn.Module, Task, dict[str, int]]:
    """The network that a .ckpt file of a run publishes (in eval mode), its task, and its {"epoch", "step"}.

    features, root, net, task: as for `load_run`. Raises ValueError for a damaged file, or one of no run.
    """
    saved = read_checkpoint(path)
    check_checkpoint(path, saved)
    if not saved.get("options"):
        raise ValueError(f"{path} holds no options, since an old version wrote it; allowed: --resume its run first")
    with naming(path):
        options = options_of(saved["options"])
        options = replace(options, task=moved(options.task, root)) if root else options
        if features is None and net is None:
            features = features_for(options.model["name"], options.task["name"])
        made, task = build(options, features, net, task)
        module = module_of(made, task, options)
        check_tensors(path, saved["state_dict"], module.state_dict(), path)
    module.load_state_dict(saved["state_dict"])
    return module.deployed().eval(), task, {"epoch": saved["epoch"] + 1, "step": saved["global_step"]}
