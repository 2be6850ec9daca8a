"""A finished run is read back: its network, its task and its summary."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from hpnets.atomic_files import read_tensors
from hpnets.tasks import Task
from hpnets.tasks.generation import Features
from hpnets.tasks.own_data import moved
from hpnets.training.build import build
from hpnets.training.read_back import check_tensors, naming
from hpnets.training.run_folder import RunFolder


def load_run(
    path: Path, features: Features | None = None, root: str | None = None
) -> tuple[nn.Module, Task, dict[str, Any]]:
    """The network (in eval mode), the task and the summary of a finished run; the weights are checked by their hash.

    features: a network's features by which generated pictures are measured, for models that make some. root: the folder
    of the data, if it is not where the run had it. Raises ValueError for a run that has not ended, and for files that
    are not as it wrote them.
    """
    folder = RunFolder(path)
    summary = folder.read_summary()
    weights = read_tensors(folder.weights, summary["sha256"])
    options = folder.options()
    options = replace(options, task=moved(options.task, root)) if root else options
    with naming(folder.config):
        net, task = build(options, features)
    check_tensors(folder.weights, weights, net.state_dict(), folder.config)
    net.load_state_dict(weights)
    return net.eval(), task, summary
