"""What a run keeps of its data for reports: the probe set, and the network's outputs on samples of the test split."""

from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from hpnets.atomic_files import write_tensors
from hpnets.tasks.base import Probe, SupervisedTask, Task

# The most outputs that are kept, 4 MiB in float32, and the most numbers of the probe set's inputs, 16 MiB.
OUTPUTS, INPUTS = 2**20, 2**22


def write_probe(path: Path, probe: Probe) -> None:
    """Write the probe set as safetensors: `x` (n, ...) unless it holds more than INPUTS numbers, `y`, `indices`."""
    tensors = {name: value for name, value in probe._asdict().items() if value is not None}
    if probe.x.numel() > INPUTS:
        del tensors["x"]
    write_tensors(path, tensors, {"samples": str(len(probe.x))})


def kept_rows(samples: int, output_dim: int) -> Tensor:
    """The rows of a split whose outputs are kept, ascending: all, or evenly spaced ones, of OUTPUTS outputs at most."""
    n = min(samples, max(1, OUTPUTS // output_dim))
    return torch.arange(n) * samples // n


class Predictions:
    """Collects outputs and targets of `kept_rows` of the test split from its batches, which ranks may share."""

    def __init__(self, task: SupervisedTask) -> None:
        self.task, self.rows = task, kept_rows(len(task.test_set), task.output_dim)
        self.world, self.rank = (t.world_size, t.global_rank) if (t := task.trainer) else (1, 0)
        self.seen = 0  # samples of this rank: row rank + world * seen comes next
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, outputs: Tensor, y: Tensor) -> None:
        """Take the next batch of this rank: outputs (n, O) and its y (n, ...)."""
        rows = self.rank + self.world * torch.arange(self.seen, self.seen + len(y))
        self.seen += len(y)
        keep = torch.isin(rows, self.rows).to(y.device)
        self.parts.append((rows.to(y.device)[keep], outputs[keep].float(), y[keep]))

    def gathered(self) -> dict[str, Tensor]:
        """outputs (n, O), targets (n, ...) and rows (n,), those of the source data set, in the split's order.

        Every rank must call this.
        """
        rows, outputs, targets = (self._of_all_ranks(torch.cat(part)) for part in zip(*self.parts, strict=True))
        order = rows.argsort()
        indices = self.task.test_set.indices[rows[order].cpu()]
        return {"outputs": outputs[order], "targets": targets[order], "rows": indices}

    def _of_all_ranks(self, part: Tensor) -> Tensor:
        return torch.cat(gather_all_tensors(part)) if self.world > 1 else part


def make_predictions(task: Task) -> Predictions | None:
    """The collector of a task with targets; None where there are none, as for generated pictures."""
    return Predictions(task) if isinstance(task, SupervisedTask) else None


def write_predictions(path: Path, tensors: dict[str, Tensor], samples: int) -> None:
    """Write what `Predictions.gathered` gives as safetensors; its metadata says of how many samples it is a part."""
    write_tensors(path, tensors, {"samples": str(samples)})  # of two entries safetensors would shuffle the order
