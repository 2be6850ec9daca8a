"""What claims and figures of the spectral bias study read off the cells."""

import math
from typing import Any

from hpnets.papers.spectral_bias.harmonics import HARMONICS, eigenvalues, few, linear_training
from hpnets.statistics import half_time
from hpnets.study import Results

ByHarmonic = dict[int, list[float]]
# The paper's own schedule, and the degree whose learning rate stays LR when rates are scaled by 1 / lambda_max.
LR, STEPS, REFERENCE = 0.0016, 30_000, 3


def spectrum(results: Results, dim: int, degree: int) -> dict[str, Any]:
    """What `eigenvalues` returned."""
    made: dict[str, Any] = results.of(eigenvalues, dim=dim, degree=degree).one()
    return made


def exponent(of: dict[str, Any], window: tuple[int, int]) -> float:
    """The exponent a of lambda_k ~ k^-a that was fitted on a window of k."""
    return float(of["decay"]["-".join(map(str, window))])


def above(of: dict[str, Any], k: int) -> float:
    """The share of the trace that lies in degrees above k."""
    low = sum(n * l for n, l in zip(of["multiplicities"][: k + 1], of["eigenvalues"], strict=False))
    return float(1 - low / of["trace"])


def halves(results: Results, dim: int, degree: int, width: int, part: str) -> ByHarmonic:
    """For each harmonic, the time at which half is left, of each seed."""
    cells = results.of(linear_training, dim=dim, degree=degree, width=width).values()
    return {k: [half_time(c["times"], [row[i] for row in c[part]]) for c in cells] for i, k in enumerate(HARMONICS)}


def steps_a_unit(results: Results, width: int, degree: int, scaled: bool) -> list[float]:
    """Steps in one unit of t, of each seed: at lr = LR, or scaled, at LR lambda_max(REFERENCE) / lambda_max."""
    of = results.of(linear_training, dim=10, width=width)
    own, reference = (of.of(linear_training, degree=n).values("lambda_max") for n in (degree, REFERENCE))
    return [(a / b if scaled else 1) / (2 * LR) for a, b in zip(own, reference, strict=True)]


def steps_to_learn(results: Results, width: int, degree: int, scaled: bool, part: str = "train") -> ByHarmonic:
    """For each harmonic, the steps until half is left on the points of `part`, d = 10, of each seed."""
    units = steps_a_unit(results, width, degree, scaled)
    times = halves(results, 10, degree, width, part)
    return {k: [t * unit for t, unit in zip(ts, units, strict=True)] for k, ts in times.items()}


def generalising(results: Results, degree: int, width: int, samples: int) -> list[int]:
    """The k of which half goes on held-out points too, d = 10, for every seed; the others are memorised.

    A degree with more harmonics than there are points is memorised: points cannot tell it apart.
    """
    times = halves(results, 10, degree, width, "test")
    return [k for k in few(10, samples) if all(map(math.isfinite, times[k]))]
