"""What claims and figures of the spectral bias study read off the cells."""

from typing import Any

from hpnets.papers.parts.harmonics import ByHarmonic, halves
from hpnets.papers.spectral_bias.cells import eigenvalues, linear_training
from hpnets.study import Results

# The paper's own schedule, and the degree whose learning rate stays LR when rates are scaled by 1 / lambda_max.
LR, STEPS, REFERENCE = 0.0016, 30_000, 3


def spectra(results: Results, dim: int) -> dict[int, dict[str, Any]]:
    """What `eigenvalues` returned, by the degree N."""
    return {degree: of.one() for degree, of in results.of(eigenvalues, dim=dim).split("degree").items()}


def linearised(results: Results, dim: int, degree: int, width: int) -> Results:
    """What `linear_training` returned, of each seed."""
    return results.of(linear_training, dim=dim, degree=degree, width=width)


def steps_a_unit(results: Results, width: int, degree: int, scaled: bool) -> list[float]:
    """Steps in one unit of t, of each seed, d = 10: at lr = LR, or scaled, at LR lambda_max(REFERENCE) / lambda_max."""
    own, reference = (linearised(results, 10, n, width).values("lambda_max") for n in (degree, REFERENCE))
    return [(a / b if scaled else 1) / (2 * LR) for a, b in zip(own, reference, strict=True)]


def steps_to_learn(results: Results, width: int, degree: int, scaled: bool, part: str = "train") -> ByHarmonic:
    """For each harmonic, the steps until half is left on the points of `part`, d = 10, of each seed."""
    units = steps_a_unit(results, width, degree, scaled)
    times = halves(linearised(results, 10, degree, width), part)
    return {k: [t * unit for t, unit in zip(ts, units, strict=True)] for k, ts in times.items()}
