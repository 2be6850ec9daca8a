"""The kernel track: all that a run keeps of its kernels, in the callback's state and in ntk.safetensors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpnets.atomic_files import write_tensors


@dataclass
class KernelTrack:
    """The steps, metrics and spectra of the measured kernels, the first and the last kernel, and all kernels if asked.

    spectra[t]: the eigenvalues (rows,), descending, float64. metrics[t]: values by name. estimated: the steps at which
    BatchNorm's statistics were estimated. blocks: the tracks of the kernels of blocks of parameters, by pattern.
    """

    steps: list[int] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)
    spectra: list[Tensor] = field(default_factory=list)
    first: Tensor | None = None
    last: Tensor | None = None
    kernels: list[Tensor] = field(default_factory=list)
    estimated: list[int] = field(default_factory=list)
    blocks: dict[str, "KernelTrack"] = field(default_factory=dict)

    def append(
        self, step: int, kernel: Tensor, spectrum: Tensor, metrics: dict[str, float], keep: bool, estimated: bool
    ) -> None:
        """Add one measurement; keep: store its kernel too; estimated: whether BatchNorm's statistics were estimated."""
        self.steps.append(step)
        self.estimated += [step] if estimated else []
        self.metrics.append(metrics)
        self.spectra.append(spectrum.cpu())
        self.first = kernel.cpu() if self.first is None else self.first
        self.last = kernel.cpu()
        self.kernels += [kernel.cpu()] if keep else []

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors, for a checkpoint."""
        return {**vars(self), "blocks": {name: block.state_dict() for name, block in self.blocks.items()}}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> "KernelTrack":
        """The inverse of `state_dict`."""
        blocks = {name: cls.from_state_dict(block) for name, block in state.get("blocks", {}).items()}
        return cls(**{**state, "blocks": blocks})

    def write(self, path: Path, indices: Tensor | None, outputs: str) -> None:
        """Write the track and the probe set's `indices` (n,) as safetensors.

        The tensors are `steps` (T,), `spectra` and `spectra_normalised` (by the trace) (T, rows), `kernel_first`,
        `kernel_last`, `kernels` (T, ...) if kept, each metric as `metrics/<name>` (T,), and `steps_estimated` (E,) if
        there are any; and the same of each block as `blocks/<pattern>/...`, but for the steps.
        """
        tensors = {"steps": torch.tensor(self.steps), **self._tensors()}
        for name, block in self.blocks.items():
            tensors |= {f"blocks/{name}/{key}": tensor for key, tensor in block._tensors().items()}
        tensors |= {"indices": indices} if indices is not None else {}
        tensors |= {"steps_estimated": torch.tensor(self.estimated)} if self.estimated else {}
        write_tensors(path, tensors, {"outputs": outputs})

    def _tensors(self) -> dict[str, Tensor]:
        """What is kept of the kernels themselves."""
        assert self.first is not None
        assert self.last is not None
        spectra = torch.stack(self.spectra)
        tensors = {
            "spectra": spectra,
            "spectra_normalised": spectra / spectra.sum(1, keepdim=True),
            "kernel_first": self.first,
            "kernel_last": self.last.clone(),
        }
        tensors |= {
            f"metrics/{k}": torch.tensor([m[k] for m in self.metrics], dtype=torch.float64) for k in self.metrics[0]
        }
        return tensors | ({"kernels": torch.stack(self.kernels)} if self.kernels else {})
