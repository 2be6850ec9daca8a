"""The metrics by name: what one measurement of a kernel in training is turned into."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

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
from hpnets.ntk.spectrum import Spectrum


@dataclass(frozen=True)
class KernelTrack:
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


def _velocity(track: KernelTrack) -> float:
    return math.nan if track.k_last is None else velocity(track.k_t, track.k_last, track.steps)


def _targets(track: KernelTrack) -> Tensor:
    if track.targets is None:
        raise ValueError("targets is None; allowed: (N, O) for the metrics alignment and local_elasticity")
    return track.targets


METRICS: dict[str, Callable[[KernelTrack], float]] = {
    "drift": lambda t: relative_drift(t.k_t, t.k_0),
    "cosine_drift": lambda t: distance(t.k_t, t.k_0),
    "polar_angle": lambda t: polar_angle(t.k_t, t.k_0),
    "velocity": _velocity,
    "norm": lambda t: float(t.k_t.double().norm()),
    "trace": lambda t: float(t.spectrum.eigenvalues.sum()),
    "lambda_max": lambda t: float(t.spectrum.eigenvalues[0]),
    "lambda_min": lambda t: lambda_extremes(t.spectrum, t.rank_bound).smallest,
    "condition": lambda t: condition(t.spectrum.eigenvalues, t.spectrum.floor),
    "effective_rank": lambda t: effective_rank(t.spectrum.eigenvalues),
    "stable_rank": lambda t: stable_rank(t.spectrum.eigenvalues),
    "top_20_mass": lambda t: top_k_mass(t.spectrum.eigenvalues, min(20, t.spectrum.rows)),
    "alignment": lambda t: centred_alignment(t.k_t, _targets(t)),
    "local_elasticity": lambda t: local_elasticity(t.k_t, _targets(t).argmax(1)),
    "decay_exponent": lambda t: decay_exponent(t.spectrum.eigenvalues, t.spectrum.floor).exponent,
    "decay_window_start": lambda t: decay_exponent(t.spectrum.eigenvalues, t.spectrum.floor).start,
    "decay_window_stop": lambda t: decay_exponent(t.spectrum.eigenvalues, t.spectrum.floor).stop,
    "decay_r_squared": lambda t: decay_exponent(t.spectrum.eigenvalues, t.spectrum.floor).r_squared,
}


def measure(track: KernelTrack, names: Iterable[str]) -> dict[str, float]:
    """The metrics of `METRICS` asked for, by name; ValueError for an unknown name or a spectrum of the largest few."""
    names = list(names)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics has {', '.join(map(repr, unknown))}; allowed: {', '.join(METRICS)}")
    check_whole(track.spectrum)
    return {name: METRICS[name](track) for name in names}
