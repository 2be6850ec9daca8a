"""NTKMonitor measures the neural tangent kernel of a network during training, on the fixed inputs of a probe set."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.linalg import Eigenvalues, eigenvalues
from hpnets.ntk import Plan, StalePlanError, ntk, plan, split_kernel, zero_gradient_fraction
from hpnets.ntk.metrics import Measurement, available_metrics, check_possible, measure
from hpnets.patterns import matching, trained
from hpnets.training.batch_statistics import BatchStatistics, Source
from hpnets.training.errors import NonFiniteError
from hpnets.training.log import log_now
from hpnets.training.measured_network import FindNetwork, find_network, outputs_of
from hpnets.training.ranks import all_ranks
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
        metrics: names of hpnets.ntk.metrics.METRICS; None means all that are measured by default and that y allows.
        net: an attribute of the LightningModule, or a function of it.
        algorithm: that of `ntk`.
        file: where the track is written (ntk.safetensors), every 2 s at most and at the end; None means nowhere.
        indices: the rows of the data set that x holds, kept in the file.
        save_kernels: keep all kernels, not only the first and the last.
        batch_statistics: "estimate" measures a network whose BatchNorm statistics remember their start
            (`hpnets.ntk.statistics_remember_start`) with those of at most 1024 inputs of the train dataloader; a list
            of inputs (n, ...) uses these instead; "running" uses the network's own statistics, and warns.
        attacked: a function of (network, x) that gives the inputs to measure on in the place of x, such as attacks on
            the network as it is; ranks take those of the first.
        blocks: shell patterns of parameters or modules. The kernel of the trained parameters that a pattern matches is
            tracked too, and logged as ntk/<pattern>/<metric>; on one process the same passes give it, mostly.

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
        attacked: Callable[[nn.Module, Tensor], Tensor] | None = None,
        blocks: Sequence[str] = (),
    ) -> None:
        super().__init__(every)
        fits = y is None or (y.ndim == 2 and len(y) == len(x))
        require_shape(fits, "y", y, f"({len(x)}, O), one row a sample of x")
        self.names = available_metrics(y) if metrics is None else check_possible(metrics, y)
        self.x, self.y, self.statistics = x, y, BatchStatistics(batch_statistics, x)
        self.outputs, self.net, self.algorithm = outputs, net, algorithm
        self.file, self.indices, self.save_kernels = file, indices, save_kernels
        self.attacked = attacked
        self.track, self.written, self.blocks = KernelTrack(), time.monotonic(), list(blocks)
        self.plans: dict[str | None, Plan] = {}  # of the whole kernel, None, and of each block
        self.width: int | None = None  # the number of the net's outputs, which no step changes

    def check(self, net: nn.Module, loader: object = None) -> None:
        """Raise ValueError if the kernel of `net` cannot be computed, for which one sample of the probe set is tried.

        loader: the train dataloader, on which BatchNorm's statistics are estimated. Raises ValueError too for a block
        without parameters.
        """
        for block in self.blocks:
            matching("blocks", block, trained(net))
        with self.statistics.lent(net, None, loader):
            ntk(net, self.x[:1], outputs=self.outputs, algorithm=self.algorithm)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.plans, self.width, self.written = {}, None, time.monotonic()
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
            x = self._inputs(net)
            kernels = self._kernels(net, x, step)
            measured = {block: self._measure(net, x, step, block, k, estimated) for block, k in kernels.items()}
        values = {f"{block}/{name}" if block else name: v for block, m in measured.items() for name, v in m.items()}
        logged = {f"ntk/{name}": value for name, value in values.items()}
        trainer.callback_metrics.update(zip(logged, torch.tensor([*logged.values()]), strict=True))
        log_now(trainer, logged, self.track.spectra[-1])
        if time.monotonic() - self.written > WRITE_SECONDS:
            self._write(trainer)

    def _inputs(self, net: nn.Module) -> Tensor:
        """The inputs (N, ...) to measure on, the same on every rank."""
        x = self.x.to(next(net.parameters()))
        if self.attacked is not None:
            x = self.attacked(net, x)
            if all_ranks() is not None:
                dist.broadcast(x, 0)
        return x

    def _write(self, trainer: pl.Trainer) -> None:
        if self.file is not None and trainer.is_global_zero and self.track.steps:
            self.track.write(self.file, self.indices, str(self.outputs))
            self.written = time.monotonic()

    def _measure(
        self, net: nn.Module, x: Tensor, step: int, block: str | None, kernel: Tensor, estimated: bool
    ) -> dict[str, float]:
        """Add the kernel of a block, or the whole one, to its track; its metrics."""
        track = self.track if block is None else self.track.blocks.setdefault(block, KernelTrack())
        params, result = _parameters(net, block), eigenvalues(kernel)
        bound = self._rank_bound(net, x[:1], params)
        compared = replace(self._compare(track, kernel, result, step, bound), net=net, x=x, params=params)
        values = measure(compared, self.names)
        track.append(step, kernel, result.eigenvalues, values, self.save_kernels, estimated)
        return values

    def _rank_bound(self, net: nn.Module, x: Tensor, block: dict[str, nn.Parameter] | None) -> int:
        """The rank that the kernel cannot exceed: P, its parameters, or O P for the trace, a sum of O kernels."""
        parameters = sum(p.numel() for p in (trained(net) if block is None else block).values())
        if self.outputs != "trace":
            return parameters
        if self.width is None:
            self.width = outputs_of(net, x).shape[1]
        return parameters * self.width

    def _compare(
        self, track: KernelTrack, kernel: Tensor, result: Eigenvalues, step: int, rank_bound: int
    ) -> Measurement:
        k_t = kernel.double()  # once here, and not by each metric
        return Measurement(
            k_t=k_t,
            k_0=k_t if track.first is None else track.first.to(k_t),
            k_last=None if track.last is None else track.last.to(k_t),
            steps=step - track.steps[-1] if track.steps else 0,
            spectrum=result,
            rank_bound=rank_bound,
            targets=None if self.y is None else self.y.to(kernel.device),
        )

    def _kernels(self, net: nn.Module, x: Tensor, step: int) -> dict[str | None, Tensor]:
        """The whole kernel, None, and that of each block, from the same passes where a plan can be split."""
        try:
            split = self._split(net, x) if self.blocks and all_ranks() is None else None
            if split is not None:
                return dict([(None, split[0]), *split[1].items()])
            return {block: self._ntk(net, x, block) for block in (None, *self.blocks)}
        except ValueError as error:
            if "NaN" in str(error):
                raise NonFiniteError(f"{error} at step {step}") from None
            raise

    @property
    def _verify(self) -> str:
        """What a plan is proven on: samples that it has not seen, which attacked ones are each time."""
        return "first" if self.attacked is None else "always"

    def _split(self, net: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]] | None:
        members = {block: matching("blocks", block, trained(net)) for block in self.blocks}
        if None not in self.plans:
            self.plans[None] = plan(net, x, outputs=self.outputs, algorithm=self.algorithm, blocks=members)
        try:
            return split_kernel(net, x, self.plans[None], members, verify=self._verify)
        except StalePlanError:
            del self.plans[None]
            return None

    def _ntk(self, net: nn.Module, x: Tensor, block: str | None = None) -> Tensor:
        """The kernel; on one process all measurements follow one plan, made anew after a StalePlanError."""
        options = {"outputs": self.outputs, "algorithm": self.algorithm}
        params: Any = _parameters(net, block)
        if all_ranks() is not None:
            return ntk(net, x, **options, params=params, group=all_ranks())
        if block not in self.plans:
            self.plans[block] = plan(net, x, **options, params=params)
        try:
            return ntk(net, x, params=params, plan=self.plans[block], verify=self._verify)
        except StalePlanError:
            del self.plans[block]
            return ntk(net, x, **options, params=params)

    def state_dict(self) -> dict[str, Any]:
        return self.track.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.track = KernelTrack.from_state_dict(state_dict)
        self.resumed(self.track.steps)


def _parameters(net: nn.Module, block: str | None) -> dict[str, nn.Parameter] | None:
    """The trained parameters of a block, by name; None for all."""
    if block is None:
        return None
    named = trained(net)
    return {name: named[name] for name in matching("blocks", block, named)}
