"""NTKMonitor: the neural tangent kernel of the network in training, measured on fixed inputs."""

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.linalg import Spectrum, spectrum
from hpnets.ntk import Plan, StalePlanError, ntk, plan, zero_gradient_fraction
from hpnets.ntk.metrics import Measurement, available_metrics, check_metrics, measure
from hpnets.training.errors import NonFiniteError
from hpnets.training.log import log_now
from hpnets.training.modes import eval_mode
from hpnets.training.schedule import Every, check_every, is_due
from hpnets.training.track import KernelTrack

# Between writes of the track while training runs; the end writes what is left.
WRITE_SECONDS = 2.0


class NTKMonitor(pl.Callback):
    """Measures K_t = ntk(net, x) at step 0, on a schedule, and at the end, and logs ntk/<metric>.

    Works for any LightningModule that holds its network in an attribute: `NTKMonitor(x, y)` looks for `net`, then
    `model`; `net="encoder"` or `net=lambda module: module.encoder` names another. The network must map x (N, ...) to
    (N, O). It is measured eager, unwrapped, in eval mode, outside autocast; modes and RNG are left as they were. In a
    distributed run each rank computes its rows of the kernel, and every rank logs the same values.

    Args:
        x: probe inputs (N, ...), the same on every rank.
        y: targets (N, O), one-hot for classes, for `ntk/alignment` and `ntk/local_elasticity`.
        every: measure each that many steps, each "epoch", or at "log"-spaced steps.
        outputs: of `ntk`: "trace", "full", "sum" or the index of a logit.
        metrics: names of hpnets.ntk.metrics.METRICS; None means all that y allows.
        net: attribute of the LightningModule, or a function of it.
        algorithm: of `ntk`.
        file: where the track is written (ntk.safetensors), every 2 s at most and at the end; None writes none.
        indices: rows of the data set that x holds, kept in the file.
        save_kernels: keep all kernels, not only the first and the last.

    A new fit starts a new track; a resumed one goes on: the state (first and last kernel, spectra, steps, metrics) is
    part of every checkpoint. Raises NonFiniteError if a kernel holds NaN or Inf.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        every: Every = "epoch",
        outputs: Any = "trace",
        metrics: list[str] | None = None,
        net: str | Callable[[pl.LightningModule], nn.Module] | None = None,
        algorithm: str = "auto",
        file: Path | None = None,
        indices: Tensor | None = None,
        save_kernels: bool = False,
    ) -> None:
        if y is not None and (y.ndim != 2 or len(y) != len(x)):
            raise ValueError(f"y has shape {tuple(y.shape)}; allowed: ({len(x)}, O), one row a sample of x")
        self.names = available_metrics(y) if metrics is None else check_metrics(metrics)
        self.x, self.y, self.every = x, y, check_every(every)
        self.outputs, self.net, self.algorithm = outputs, net, algorithm
        self.file, self.indices, self.save_kernels = file, indices, save_kernels
        self.track, self.written = KernelTrack(), -math.inf
        self.plan: Plan | None = None

    def check(self, net: nn.Module) -> None:
        """Raise ValueError if the kernel of `net` cannot be had: one sample of the probe is tried."""
        with eval_mode(net):
            ntk(net, self.x[:1], outputs=self.outputs, algorithm=self.algorithm)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.track.steps and self.track.steps[-1] <= trainer.global_step:
            return
        self.track, self.plan = KernelTrack(), None
        net = find_network(pl_module, self.net)
        with eval_mode(net):
            share = zero_gradient_fraction(net, self.x.to(pl_module.device))
        if share > 0.5:
            warnings.warn(
                f"{share:.0%} of the parameters have zero gradient at the start: the kernel at init is degenerate, "
                "and drift is measured against it (gates that start at zero do this)",
                stacklevel=2,
            )
        self._measure(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if is_due(self.every, trainer.global_step):
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if self.every == "epoch" or last:
            self._measure(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._measure(trainer, pl_module)
        self._write(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._write(trainer)

    def _measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step, track = trainer.global_step, self.track
        if track.steps and track.steps[-1] == step:
            return
        kernel = self._kernel(pl_module, step)
        result = spectrum(kernel)
        values = measure(self._compare(kernel, result, step, pl_module), self.names)
        track.append(step, kernel, result.eigenvalues, values, self.save_kernels)
        logged = {f"ntk/{name}": value for name, value in values.items()}
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in logged.items()})
        log_now(trainer, logged)
        if time.monotonic() - self.written > WRITE_SECONDS:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        if self.file is not None and trainer.is_global_zero and self.track.steps:
            self.track.write(self.file, self.indices, str(self.outputs))
            self.written = time.monotonic()

    def _compare(self, kernel: Tensor, result: Spectrum, step: int, pl_module: pl.LightningModule) -> Measurement:
        track, net = self.track, find_network(pl_module, self.net)
        return Measurement(
            k_t=kernel,
            k_0=kernel if track.first is None else track.first.to(kernel.device),
            k_last=None if track.last is None else track.last.to(kernel.device),
            steps=step - track.steps[-1] if track.steps else 0,
            spectrum=result,
            rank_bound=_rank_bound(net, self.x[:1].to(kernel), self.outputs),
            targets=None if self.y is None else self.y.to(kernel.device),
        )

    def _kernel(self, pl_module: pl.LightningModule, step: int) -> Tensor:
        net = find_network(pl_module, self.net)
        x = self.x.to(device=pl_module.device, dtype=next(net.parameters()).dtype)
        _share_buffers(net)
        try:
            with eval_mode(net):
                return self._ntk(net, x)
        except ValueError as error:
            if "NaN" in str(error):
                raise NonFiniteError(f"{error} at step {step}") from None
            raise

    def _ntk(self, net: nn.Module, x: Tensor) -> Tensor:
        """The kernel; on one process by one plan for all measurements, made once every parameter has a gradient."""
        options = {"outputs": self.outputs, "algorithm": self.algorithm}
        if _all_ranks() is not None:
            return ntk(net, x, **options, group=_all_ranks())
        if self.plan is None:
            self.plan = plan(net, x, **options)
        try:
            return ntk(net, x, plan=self.plan, verify="first")
        except StalePlanError:
            self.plan = None
            return ntk(net, x, **options)

    def state_dict(self) -> dict[str, Any]:
        return self.track.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.track = KernelTrack.from_state_dict(state_dict)


def find_network(module: pl.LightningModule, net: str | Callable[..., nn.Module] | None) -> nn.Module:
    """The network in a LightningModule, uncompiled; ValueError if it is not where `net` says."""
    names = [net] if isinstance(net, str) else ["net", "model"]
    found = net(module) if callable(net) else next((getattr(module, n) for n in names if hasattr(module, n)), None)
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"{type(module).__name__} has no network in {' or '.join(map(repr, names))}: name it, "
            "NTKMonitor(x, net='attribute') or NTKMonitor(x, net=lambda module: ...)"
        )
    return getattr(found, "_orig_mod", found)


def _rank_bound(net: nn.Module, x: Tensor, outputs: Any) -> int:
    """Rank that the kernel cannot exceed: P, the trained parameters; O P for a sum of O kernels, the trace."""
    parameters = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if outputs != "trace":
        return parameters
    with eval_mode(net), torch.no_grad():
        return parameters * net(x).shape[1]


def _all_ranks() -> dist.ProcessGroup | None:
    return dist.group.WORLD if dist.is_available() and dist.is_initialized() else None


def _share_buffers(net: nn.Module) -> None:
    """Give every rank the buffers of rank 0, as DDP does at its next forward: BatchNorm's statistics are per rank."""
    if _all_ranks() is not None:
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)
