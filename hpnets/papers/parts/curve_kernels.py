"""Kernels on the points of two curves: certificates, steps and held-out errors; read, and as a table."""

import math
from statistics import median
from typing import Any

import torch

from hpnets.kernels import KernelPredictor
from hpnets.papers.parts.labelled_curves import curves_of, is_drawn, points_of, wrong
from hpnets.papers.parts.sphere_kernels import limit
from hpnets.statistics import mean, spread, standard_error
from hpnets.study import Results
from hpnets.theory import certificate

Measured = dict[str, Any]
Network = tuple[str, int]
SURE, MEAN = "gap / its standard error", "gap in %"
NAMES = {"mlp": "mlp (L)", "pnn": "pnn (N)", "pnn_skip": "pnn_skip (N)", "ccp": "ccp (N)", "pnn-sum": "twin of pnn (N)"}
# The most steps that are tried.
MOST = 1000


def even(network: str, size: int, curve: str, seed: int, points: int, device: str) -> Measured:
    """Even points: the certificate's norm, raw and at unit diagonal (None if K is singular), the rank of K, and steps.

    "steps": of gradient descent from 0 until no held-out point is wrong; None if that takes more than MOST.
    """
    curves = curves_of(curve, seed)
    (x, y), (z, right) = points_of(curves, points), points_of(curves, points, 0.5)
    K, cross = limit(network, size, x), limit(network, size, z, x)
    l, V = torch.linalg.eigh(K)
    rank = int((l > len(l) * torch.finfo(l.dtype).eps * l[-1]).sum())
    norm = certificate(K, y[:, 0]).norm if rank == len(K) else None
    # All steps at once: f_s = cross V (1 - (1 - h)^s) / l V^T y, where the share of h = 0 is s h / l.
    h, s = (l / (2 * l[-1])).clamp_min(1e-30), torch.arange(1, MOST + 1)
    c = -torch.expm1(s * torch.log1p(-h)[:, None]) / (2 * l[-1] * h)[:, None] * (V.T @ y)
    done = (cross @ V @ c * right > 0).all(0).nonzero()
    steps = int(done[0]) + 1 if len(done) else None
    return {"raw": norm, "unit": norm and norm * float(K[0, 0]), "rank": rank, "steps": steps}


def irregular(network: str, size: int, curve: str, few: int, points: int, draws: int, device: str) -> Measured:
    """Random points: the held-out error in % at t = infinity, of each draw."""
    errors = []
    for seed in range(draws):
        curves = curves_of(curve, seed if is_drawn(curve) else 0)
        (x, y), (z, right) = points_of(curves, few, seed=seed), points_of(curves, points)
        regression = KernelPredictor(limit(network, size, x), y).flow(math.inf)
        errors.append(wrong(limit(network, size, z, x) @ regression.values, right))
    return {"error": errors}


def evens(results: Results, network: str, curve: str, key: str) -> dict[int, float]:
    """What `even` measured, the median of the seeds, by depth or degree; infinite where there is none."""
    of = results.of(even, network=network, curve=curve).by("size", key)
    return {size: median(value or math.inf for value in values) for size, values in of.items()}


def gaps(results: Results, curves: tuple[str, ...], pair: tuple[Network, ...]) -> Measured:
    """The gap first - second of the errors at random points, over the draws, by curve."""
    made: Measured = {SURE: {}, MEAN: {}, "its standard error": {}}
    for curve in curves:
        both = (results.of(irregular, network=net, size=size, curve=curve).one("error") for net, size in pair)
        gap = [a - b for a, b in zip(*both, strict=True)]
        error = standard_error(gap)
        for name, value in zip(made, (mean(gap) / max(error, 1e-9), mean(gap), error), strict=True):
            made[name][curve] = value
    return made


def rows(results: Results, key: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each curve and network, with the values of all its sizes."""
    made = []
    for (curve, network), part in results.split("curve", "network").items():
        values = (f"{size}: {shown(each)}" for size, each in part.by("size", key).items())
        made.append((curve, NAMES[network], "; ".join(values)))
    return ("curve", "network", "size: value"), tuple(made)


def shown(values: list[Any]) -> str:
    """The spread over draws, or the median of the seeds, which is inf where most have no value."""
    return spread(values[0]) if isinstance(values[0], list) else f"{median(v or math.inf for v in values):.3g}"
