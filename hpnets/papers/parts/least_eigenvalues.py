"""The smallest eigenvalue of networks' kernels at their start: measured, its growth with their size, as a table."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.ntk import lambda_min, ntk
from hpnets.papers.parts.sized_networks import drawn, noise_points, parameters, square_dim, width_of, with_unit_readout
from hpnets.statistics import log_slope, spread
from hpnets.study import Results
from hpnets.tasks import create_task

Measured = dict[str, Any]
# Above this a Jacobian is not decomposed: the eigenvalues of its kernel are far from rounding there.
JACOBIAN = "48MiB"


def smallest(network: str, dim: int, samples: int, ratio: float, seed: int, device: str) -> Measured:
    """lambda_min of a network with at most ratio * samples parameters, read-out N(0, 1), on Gaussian points.

    dim: of the points; 0 is the paper's shape, d-d-d-1, and the d of such an MLP for the other networks.
    """
    d = dim or square_dim(ratio * samples)
    width = width_of(network, d, ratio * samples if dim else d * (2 * d + 1))
    net = with_unit_readout(drawn(network, d, width, seed)).double().to(device)
    x, _ = noise_points(d, samples, seed)
    made = {"dim": d, "width": width, "parameters": parameters(network, d, width)}
    return made | measured(net, x.double().to(device))


def on_pixels(network: str, images: str, width: int, samples: int, seed: int, device: str) -> Measured:
    """lambda_min of a network with read-out N(0, 1) on random training images, standardised and flattened."""
    task = create_task(images, seed=seed)
    task.setup()
    x = task.probe(samples).x.flatten(1).double().to(device)
    net = with_unit_readout(drawn(network, x.shape[1], width, seed)).double().to(device)
    return {"parameters": parameters(network, x.shape[1], width)} | measured(net, x)


def measured(net: nn.Module, x: Tensor) -> Measured:
    """lambda_min with its error, and whether it is 0 by counting or rounding; lambda_max; the stored kernel's least."""
    l = lambda_min(net, x, outputs="trace", memory=JACOBIAN)
    stored = float(torch.linalg.eigvalsh(ntk(net, x, outputs="trace"))[0])
    shown = {"min": l.smallest, "error": l.error, "singular": l.singular, "noise": l.noise}
    return {**shown, "max": l.largest, "stored": stored}


def slopes(results: Results, network: str, **options: Any) -> list[float]:
    """The slope of log lambda_min on log P, of each seed."""
    seeds = results.of(smallest, network=network, **options).split("seed").values()
    return [log_slope(of.values("parameters"), of.values("min")) for of in seeds]


def windows(results: Results, ratios: Sequence[float]) -> dict[str, list[float]]:
    """The slopes of mlp-sigmoid in its own shape between each ratio and the next, of each seed, by window."""
    made = {}
    for low, high in itertools.pairwise(ratios):
        parts = (results.of(smallest, network="mlp-sigmoid", dim=0, ratio=ratio) for ratio in (low, high))
        pairs = zip(*(zip(of.values("parameters"), of.values("min"), strict=True) for of in parts), strict=True)
        made[f"P / N = {low:g} to {high:g}"] = [log_slope(*zip(*pair, strict=True)) for pair in pairs]
    return made


def conditions(of: Results) -> list[float]:
    """lambda_min / lambda_max of each cell."""
    return [r.at("min") / r.at("max") for r in of]


def eigenvalues(of: Results, by: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and rows of a table: a row for each network and value of an option."""
    rows = []
    for (network, value), part in of.split("network", by).items():
        numbers = (spread(part.values(key), ".2g") for key in ("min", "max"))
        zeros = f"{sum(part.values('noise'))} of {len(part)}"
        rows.append((network, f"{value:g}", f"{part.items[0].at('parameters'):,}", *numbers, zeros))
    return ("network", by, "P", "lambda_min", "lambda_max", "0 or rounding"), tuple(rows)
