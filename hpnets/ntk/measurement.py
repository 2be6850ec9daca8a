"""One measured kernel beside its past, and the table of what is read off it by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.ntk import metrics
from hpnets.ntk.spectrum import Spectrum


@dataclass(frozen=True)
class Measurement:
    """K_t `kernel`, K_0 `first`, the one before `last` with `steps` between, the spectrum of K_t, targets Y (N, O)."""

    kernel: Tensor
    first: Tensor
    last: Tensor
    steps: int
    spectrum: Spectrum
    targets: Tensor | None

    @property
    def eigenvalues(self) -> Tensor:
        return self.spectrum.eigenvalues

    @property
    def decay(self) -> metrics.Decay:
        return metrics.decay_exponent(self.eigenvalues, self.spectrum.floor)


METRICS: dict[str, Callable[[Measurement], float]] = {
    "drift": lambda m: metrics.relative_drift(m.kernel, m.first),
    "cosine_drift": lambda m: metrics.distance(m.kernel, m.first),
    "velocity": lambda m: metrics.velocity(m.kernel, m.last, m.steps) if m.steps else 0.0,
    "norm": lambda m: float(m.kernel.double().norm()),
    "trace": lambda m: float(m.eigenvalues.sum()),
    "lambda_max": lambda m: float(m.eigenvalues.max()),
    "lambda_min": lambda m: float(m.eigenvalues.min()),
    "condition": lambda m: metrics.condition(m.eigenvalues, m.spectrum.floor),
    "effective_rank": lambda m: metrics.effective_rank(m.eigenvalues),
    "alignment": lambda m: math.nan if m.targets is None else metrics.centred_alignment(m.kernel, m.targets),
    "decay_exponent": lambda m: m.decay.exponent,
    "decay_start": lambda m: float(m.decay.start),
    "decay_stop": lambda m: float(m.decay.stop),
    "decay_r_squared": lambda m: m.decay.r_squared,
}


def check_metrics(names: list[str] | None) -> list[str]:
    """The names (None: all of them); ValueError for an unknown one."""
    chosen = list(METRICS) if names is None else names
    unknown = [name for name in chosen if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics holds {unknown[0]!r}; allowed: {', '.join(METRICS)}")
    return chosen


def measure(measurement: Measurement, names: list[str] | None = None) -> dict[str, float]:
    """The named metrics (None: all) of a measurement; ValueError for an unknown name."""
    return {name: METRICS[name](measurement) for name in check_metrics(names)}


def zero_gradient_fraction(net: torch.nn.Module, x: Tensor) -> float:
    """Share of the parameters whose gradient at x is exactly zero for a random cotangent of the outputs."""
    params = [p for p in net.parameters() if p.requires_grad]
    with torch.enable_grad():
        outputs = net(x)
        cotangent = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
        grads = torch.autograd.grad(outputs, params, cotangent, allow_unused=True)
    zeros = sum(p.numel() if g is None else int((g == 0).sum()) for p, g in zip(params, grads, strict=True))
    return zeros / sum(p.numel() for p in params)
