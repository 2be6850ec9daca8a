"""What complex products learn: functions of z, by limit kernels over the number of samples and by trained networks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.papers.parts.complex_pairs import limit, make_net, points
from hpnets.papers.parts.ensembles import fit, make_ensemble
from hpnets.papers.parts.wide import relative
from hpnets.statistics import mean, spread
from hpnets.study import Results
from hpnets.study.charts import categories

Measured = dict[str, Any]
Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "Re z1 z2": lambda z: (z[:, 0] * z[:, 1]).real,
    "|z1|^2 - 1": lambda z: z[:, 0].abs() ** 2 - 1,
    "Re z1 conj z2": lambda z: (z[:, 0] * z[:, 1].conj()).real,
    "2 Re z1 Re z2 + Re z1": lambda z: 2 * z[:, 0].real * z[:, 1].real + z[:, 0].real,
}


HOLOMORPHIC, MODULUS, CONJUGATE, BOTH = TARGETS


def taught(target: str, x: Tensor) -> Tensor:
    """A target (n, 1) at [Re z; Im z]."""
    return TARGETS[target](torch.complex(*x.chunk(2, dim=1)))[:, None]


def learnt(network: str, target: str, samples: list[int], dim: int, held: int, seed: int, device: str) -> Measured:
    """The held-out error of the limit kernel at t = infinity, for each number of samples."""
    z, errors = points(held, dim, 1000 + seed), []
    for number in samples:
        x = points(number, dim, seed)
        fitted = KernelPredictor(limit(network, x), taught(target, x)).flow(math.inf)
        errors.append(relative(limit(network, z, x) @ fitted.values, taught(target, z)))
    return {"error": errors}


def trained(
    network: str, target: str, lr: float, dim: int, held: int, seed: int, samples: int, steps: int, width: int,
    device: str,
) -> Measured:  # fmt: skip
    """The errors of a network after Adam: on its samples, on validation and on held-out points."""
    sets = [points(n, dim, 3000 * i + seed).float().to(device) for i, n in enumerate((samples, held, held))]
    ensemble = make_ensemble(lambda: make_net(network, dim, width), [seed], device)
    fit(ensemble, sets[0][None], taught(target, sets[0])[None], steps, lr)
    names = ("train", "validation", "error")
    return {n: relative(ensemble(x[None])[0].cpu(), taught(target, x).cpu()) for n, x in zip(names, sets, strict=True)}


def by_samples(results: Results, network: str, target: str) -> dict[int, list[float]]:
    """The held-out errors of a limit kernel, of each seed, by the number of samples."""
    of = results.of(learnt, network=network, target=target)
    samples = of.items[0].options["samples"]
    return {n: list(each) for n, each in zip(samples, zip(*of.values("error"), strict=True), strict=True)}


def learnt_table(results: Results) -> Table:
    """A row for each network and target, a column for each number of samples."""
    pairs = results.of(learnt).split("network", "target")
    samples = results.of(learnt).items[0].options["samples"]
    rows = [(*pair, *(spread(errors, ".2g") for errors in by_samples(results, *pair).values())) for pair in pairs]
    return ("network", "target", *(f"n = {n}" for n in samples)), tuple(rows)


def draw_learnt(results: Results, networks: Sequence[str], axes: list[Any]) -> None:
    """Draw the held-out errors over the number of samples, a target on each axes."""
    for a, target in zip(axes, list(TARGETS)[:3], strict=True):
        for network, style in categories(list(networks)).items():
            errors = {n: max(mean(each), 1e-16) for n, each in by_samples(results, network, target).items()}
            a.loglog(list(errors), list(errors.values()), label=network, **style)
        a.set_title(target, parse_math=False)
        a.set(xlabel="samples n", ylabel="held-out error")
