"""What claims and tables of the spectral bias study read off the cells."""

import math
from typing import Any

from recipes.papers.parts.spectral.harmonics import HARMONICS, few, half_time

Found = dict[str, Any]
# The paper's own schedule.
LR, STEPS = 0.0016, 30_000
REFERENCE = 3  # the degree whose learning rate stays LR when rates are scaled by 1 / lambda_max


def above(spectrum: Found, k: int) -> float:
    """The share of the trace that lies in degrees above k."""
    low = sum(n * l for n, l in zip(spectrum["multiplicities"][: k + 1], spectrum["eigenvalues"], strict=False))
    return 1 - low / spectrum["trace"]


def halves(found: Found, dim: int, degree: int, width: int, seeds: list[int], part: str) -> list[list[float]]:
    """For each harmonic, the time at which half is left, of each seed."""
    cells = [found[f"linear-{dim}-{degree}-{width}-{s}"] for s in seeds]
    return [[half_time(c["times"], [row[i] for row in c[part]]) for c in cells] for i in range(len(HARMONICS))]


def scales(found: Found, seeds: list[int], width: int, degree: int) -> dict[str, list[float]]:
    """Steps in one unit of t, of each seed: at lr = LR, and at LR lambda_max(REFERENCE) / lambda_max."""
    own, reference = ([found[f"linear-10-{n}-{width}-{s}"]["lambda_max"] for s in seeds] for n in (degree, REFERENCE))
    raw = 1 / (2 * LR)
    return {"raw": [raw] * len(seeds), "normalised": [raw * a / b for a, b in zip(own, reference, strict=True)]}


def steps_to_learn(
    found: Found, seeds: list[int], width: int, degree: int, mode: str, part: str = "train"
) -> list[list[float]]:
    """For each harmonic, the steps until half is left on the points of `part`, d = 10, of each seed."""
    unit = scales(found, seeds, width, degree)[mode]
    times = halves(found, 10, degree, width, seeds, part)
    return [[t * u for t, u in zip(ts, unit, strict=True)] for ts in times]


def generalises(found: Found, degree: int, width: int, seeds: list[int], samples: int) -> list[bool]:
    """Whether half of each harmonic goes on held-out points too, d = 10, for every seed; where not, it is memorised.

    A degree with more harmonics than there are points is memorised: points cannot tell it apart.
    """
    times = halves(found, 10, degree, width, seeds, "test")
    return [can and all(map(math.isfinite, ts)) for can, ts in zip(few(10, samples), times, strict=True)]
