"""What wandb is given beside scalars: the size of the network, the spectrum while and after it trains, the weights."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from hpnets.atomic_files import read_tensors
from hpnets.models.cost import cost

# Eigenvalues below this part of the largest are noise in float32; a histogram shows them at its lower end.
NOISE = 1e-8
BINS = 64
SPECTRUM = "ntk/eigenvalues"


def size(net: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """Parameters, and the FLOPs and Hadamard products of a forward pass of one sample, where they can be counted."""
    try:
        with isolate_rng():
            return dict(vars(cost(net, input_shape)))
    except Exception:  # the counter sees each operation of a network that can be anybody's
        return {"parameters": sum(p.numel() for p in net.parameters())}


def histogram(eigenvalues: Tensor) -> Any:
    """A wandb histogram of the log10 of a spectrum (rows,), which wandb draws over the steps as a map of heat."""
    import wandb

    values = eigenvalues.cpu().clamp_min(NOISE * float(eigenvalues.max().clamp_min(1e-30))).log10()
    counts, edges = torch.histogram(values, BINS)
    return wandb.Histogram(np_histogram=(counts.long().numpy(), edges.numpy()))


def log_spectra(inner: WandbLogger, kernel: Path) -> None:
    """Log the spectra of up to 8 measurements in ntk.safetensors as one plot."""
    import wandb

    if not kernel.is_file():
        return
    track = read_tensors(kernel)
    spectra, steps = track["spectra"].clamp_min(1e-30).log10(), track["steps"].tolist()
    shown = torch.linspace(0, len(steps) - 1, min(len(steps), 8)).round().long().unique().tolist()
    plot: Any = wandb.plot.line_series(
        xs=list(range(1, spectra.shape[1] + 1)),
        ys=[spectra[i].tolist() for i in shown],
        keys=[f"step {steps[i]}" for i in shown],
        title="NTK spectrum: log10 eigenvalue by rank",
        xname="rank",
    )
    inner.log_metrics({"ntk/spectrum": plot}, steps[-1])


def log_weights(inner: WandbLogger, weights: Path) -> None:
    """Log model.safetensors as an artifact named after the run folder."""
    import wandb

    artifact = wandb.Artifact(f"{weights.parent.name}-weights", type="model")
    artifact.add_file(str(weights))
    inner.experiment.log_artifact(artifact)
