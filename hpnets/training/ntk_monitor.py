"""NTKMonitor measures the neural tangent kernel of a network during training, on the fixed inputs of a probe set."""

import math
import time
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.linalg import Spectrum, spectrum
from hpnets.ntk import Plan, StalePlanError, ntk, plan, zero_gradient_fraction
from hpnets.ntk.metrics import Measurement, available_metrics, check_metrics, measure
from hpnets.training.batch_statistics import BatchStatistics, Source
from hpnets.training.errors import NonFiniteError
from hpnets.training.log import log_now, log_spectrum
from hpnets.training.measured_network import FindNetwork, find_network
from hpnets.training.schedule import Every, Scheduled
from hpnets.training.track import KernelTrack
from hpnets.validate import require_shape

# At least this many seconds lie between two writes of the track during training; the rest is written at the end.
WRITE_SECONDS = 2.0


class NTKMonitor(Scheduled):
    """Measures K_t = ntk(net, x) at step 0, on a schedule, and at the end, and logs ntk/<metric>.

    It works for any LightningModule that holds its network in an attribute: `NTKMonitor(x, y)` looks for `net`, then
    `model`; `net="encoder"` or `net=lambda module: module.encoder` names another. The network must map x (N, ...) to
    (N, O). It is measured eager, unwrapped, in eval mode, outside autocast; modes, buffers and RNG are left as they
    were. In a distributed run the ranks share the work, and every rank logs the same values.

    Args:
        x: the probe set's inputs (N, ...), the same on every rank.
        y: targets (N, O), one-hot for classes, for `ntk/alignment` and `ntk/local_elasticity`.
        every: n to measure every n steps, "epoch" to measure at the end of each epoch, or "log" for log-spaced steps.
            If a batch takes several steps, the measurement comes after the first batch that passes such a step.
        outputs: the output selection of `ntk`: "trace", "full", "sum" or the index of a logit.
        metrics: names of hpnets.ntk.metrics.METRICS; None means all that y allows.
        net: an attribute of the LightningModule, or a function of it.
        algorithm: that of `ntk`.
        file: where the track is written (ntk.safetensors), every 2 s at most and at the end; None means nowhere.
        indices: the rows of the data set that x holds, kept in the file.
        save_kernels: keep all kernels, not only the first and the last.
        batch_statistics: "estimate" measures a network whose BatchNorm statistics remember their start
            (`hpnets.ntk.statistics_remember_start`) with those of at most 1024 inputs of the train dataloader; a list
            of inputs (n, ...) uses these instead; "running" uses the network's own statistics, and warns.

    A new fit starts a new track, and a resumed one continues it: the state (first and last kernel, spectra, steps,
    metrics) is part of every checkpoint. Raises NonFiniteError if a kernel holds NaN or Inf, and ValueError if training
    inputs are needed but not available.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        every: Every = "epoch",
        outputs: Any = "trace",
        metrics: list[str] | None = None,
        net: FindNetwork = None,
        algorithm: str = "auto",
        file: Path | None = None,
        indices: Tensor | None = None,
        save_kernels: bool = False,
        batch_statistics: Source = "estimate",
    ) -> None:
        super().__init__(every)
        fits = y is None or (y.ndim == 2 and len(y) == len(x))
        require_shape(fits, "y", y, f"({len(x)}, O), one row a sample of x")
        self.names = available_metrics(y) if metrics is None else check_metrics(metrics)
        self.x, self.y, self.statistics = x, y, BatchStatistics(batch_statistics, x)
        self.outputs, self.net, self.algorithm = outputs, net, algorithm
        self.file, self.indices, self.save_kernels = file, indices, save_kernels
        self.track, self.written = KernelTrack(), -math.inf
        self.plan: Plan | None = None

    def check(self, net: nn.Module, loader: object = None) -> None:
        """Raise ValueError if the kernel of `net` cannot be computed; one sample of the probe set is tried.

        loader: the train dataloader, on which BatchNorm's statistics are estimated.
        """
        with self.statistics.lent(net, None, loader):
            ntk(net, self.x[:1], outputs=self.outputs, algorithm=self.algorithm)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.plan = None
        self.statistics.start(find_network(pl_module, self.net))
        super().on_train_start(trainer, pl_module)

    def begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.track, net = KernelTrack(), find_network(pl_module, self.net)
        with self.statistics.lent(net, trainer):
            share = zero_gradient_fraction(net, self.x.to(next(net.parameters())))
        if share > 0.5:
            warnings.warn(
                f"{share:.0%} of the parameters have zero gradient at the start: the kernel at init is degenerate, "
                "and drift is measured against it (gates that start at zero do this)",
                stacklevel=2,
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self._write(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        self._write(trainer)

    def measure(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step, net = trainer.global_step, find_network(pl_module, self.net)
        with self.statistics.lent(net, trainer) as estimated:
            kernel = self._kernel(net, self.x.to(next(net.parameters())), step)
            bound = _rank_bound(net, self.x[:1].to(kernel), self.outputs)
        result = spectrum(kernel)
        values = measure(self._compare(kernel, result, step, bound), self.names)
        self.track.append(step, kernel, result.eigenvalues, values, self.save_kernels, estimated)
        logged = {f"ntk/{name}": value for name, value in values.items()}
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in logged.items()})
        log_now(trainer, logged)
        log_spectrum(trainer, result.eigenvalues)
        if time.monotonic() - self.written > WRITE_SECONDS:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        if self.file is not None and trainer.is_global_zero and self.track.steps:
            self.track.write(self.file, self.indices, str(self.outputs))
            self.written = time.monotonic()

    def _compare(self, kernel: Tensor, result: Spectrum, step: int, rank_bound: int) -> Measurement:
        track = self.track
        return Measurement(
            k_t=kernel,
            k_0=kernel if track.first is None else track.first.to(kernel.device),
            k_last=None if track.last is None else track.last.to(kernel.device),
            steps=step - track.steps[-1] if track.steps else 0,
            spectrum=result,
            rank_bound=rank_bound,
            targets=None if self.y is None else self.y.to(kernel.device),
        )

    def _kernel(self, net: nn.Module, x: Tensor, step: int) -> Tensor:
        try:
            return self._ntk(net, x)
        except ValueError as error:
            if "NaN" in str(error):
                raise NonFiniteError(f"{error} at step {step}") from None
            raise

    def _ntk(self, net: nn.Module, x: Tensor) -> Tensor:
        """The kernel; on one process all measurements follow one plan, made anew after a StalePlanError."""
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
        self.resumed(self.track.steps)


def _rank_bound(net: nn.Module, x: Tensor, outputs: Any) -> int:
    """The rank that the kernel cannot exceed: P, the trained parameters, or O P for the trace, a sum of O kernels."""
    parameters = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if outputs != "trace":
        return parameters
    with torch.no_grad():
        return parameters * net(x).shape[1]


def _all_ranks() -> dist.ProcessGroup | None:
    return dist.group.WORLD if dist.is_available() and dist.is_initialized() else None
