"""The metrics by name: what one measurement of a kernel in training is turned into."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg import Spectrum
from hpnets.ntk.metrics.eigen import (
    check_whole,
    condition,
    decay_exponent,
    effective_rank,
    lambda_extremes,
    stable_rank,
    top_k_mass,
)
from hpnets.ntk.metrics.labels import centred_alignment, local_elasticity
from hpnets.ntk.metrics.motion import distance, polar_angle, relative_drift, velocity


@dataclass(frozen=True)
class Measurement:
    """One measurement: the kernel now, at the start, and at the last measurement (None: this is the first).

    steps: training steps since the last measurement. spectrum: all eigenvalues of k_t. targets: Y (N, O), one-hot
    for classes; needed by the metrics that compare with labels. rank_bound: as for `lambda_extremes`.
    """

    k_t: Tensor
    k_0: Tensor
    k_last: Tensor | None
    steps: int
    spectrum: Spectrum
    rank_bound: int
    targets: Tensor | None = None


def _velocity(m: Measurement) -> float:
    return math.nan if m.k_last is None else velocity(m.k_t, m.k_last, m.steps)


def _targets(m: Measurement) -> Tensor:
    if m.targets is None:
        raise ValueError("targets is None; allowed: (N, O) for the metrics alignment and local_elasticity")
    return m.targets


METRICS: dict[str, Callable[[Measurement], float]] = {
    "drift": lambda m: relative_drift(m.k_t, m.k_0),
    "cosine_drift": lambda m: distance(m.k_t, m.k_0),
    "polar_angle": lambda m: polar_angle(m.k_t, m.k_0),
    "velocity": _velocity,
    "norm": lambda m: float(m.k_t.double().norm()),
    "trace": lambda m: float(m.spectrum.eigenvalues.sum()),
    "lambda_max": lambda m: float(m.spectrum.eigenvalues[0]),
    "lambda_min": lambda m: lambda_extremes(m.spectrum, m.rank_bound).smallest,
    "condition": lambda m: condition(m.spectrum.eigenvalues, m.spectrum.floor),
    "effective_rank": lambda m: effective_rank(m.spectrum.eigenvalues),
    "stable_rank": lambda m: stable_rank(m.spectrum.eigenvalues),
    "top_20_mass": lambda m: top_k_mass(m.spectrum.eigenvalues, min(20, m.spectrum.rows)),
    "alignment": lambda m: centred_alignment(m.k_t, _targets(m)),
    "local_elasticity": lambda m: local_elasticity(m.k_t, _targets(m).argmax(1)),
    "decay_exponent": lambda m: decay_exponent(m.spectrum.eigenvalues, m.spectrum.floor).exponent,
    "decay_window_start": lambda m: decay_exponent(m.spectrum.eigenvalues, m.spectrum.floor).start,
    "decay_window_stop": lambda m: decay_exponent(m.spectrum.eigenvalues, m.spectrum.floor).stop,
    "decay_r_squared": lambda m: decay_exponent(m.spectrum.eigenvalues, m.spectrum.floor).r_squared,
}


LABELLED = {"alignment", "local_elasticity"}


def check_metrics(names: Iterable[str]) -> list[str]:
    """The names as a list; ValueError for one that METRICS does not have."""
    names = list(names)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics has {', '.join(map(repr, unknown))}; allowed: {', '.join(METRICS)}")
    return names


def available_metrics(targets: Tensor | None) -> list[str]:
    """All names whose metric can be had: "alignment" needs targets, "local_elasticity" one-hot ones of two classes."""
    if targets is None:
        return [name for name in METRICS if name not in LABELLED]
    labels = targets.argmax(1)
    one_hot = torch.equal(targets, torch.eye(targets.shape[1]).to(targets)[labels])
    elastic = one_hot and 1 < len(labels.unique()) < len(labels)
    return [name for name in METRICS if name != "local_elasticity" or elastic]


def measure(measurement: Measurement, names: Iterable[str]) -> dict[str, float]:
    """The metrics of METRICS asked for, by name; ValueError for an unknown name or a spectrum of the largest few."""
    names = check_metrics(names)
    check_whole(measurement.spectrum)
    return {name: METRICS[name](measurement) for name in names}
