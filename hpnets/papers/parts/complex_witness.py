"""The witness of Im <z, z'>: of mean kernels of networks and of limits, read, and as a picture."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hpnets.ntk.metrics import complexity_witness
from hpnets.papers.parts.complex_pairs import drawn, kernel, limit
from hpnets.statistics import mean
from hpnets.study import Results
from hpnets.study.charts import categories

Measured = dict[str, Any]
SPREAD, OFF, RISE = "spread of w", "distance to the limit's w", "w(0.8) - w(0)"
S = (0.0, 0.4, 0.8)


def witness(network: str, seed: int, nets: int, width: int, dim: int, device: str) -> Measured:
    """The values of `complexity_witness` of the mean kernel of several networks."""

    def mean(x: Tensor) -> Tensor:
        each = (drawn(network, dim, width, seed * nets + i, device) for i in range(nets))
        return torch.stack([kernel(net, x.float().to(device)) for net in each]).mean(0).cpu()

    return {"values": list(complexity_witness(mean, dim).values)}


def witness_of_limit(network: str, dim: int, device: str) -> Measured:
    """The same of the limit kernel."""
    return {"values": list(complexity_witness(lambda x: limit(network, x), dim).values)}


def witnesses(results: Results, network: str) -> dict[str, float]:
    """w(s), the mean over the seeds."""
    values = zip(*results.of(witness, network=network).values("values"), strict=True)
    return {f"s = {s:g}": mean(each) for s, each in zip(S, values, strict=True)}


def spreads(results: Results, networks: Sequence[str]) -> Measured:
    """The greatest w(s) less the least, by network."""
    values = {n: witnesses(results, n) for n in networks}
    spread = {n: max(w.values()) - min(w.values()) for n, w in values.items()}
    return {SPREAD: spread, **{f"w, {n}": w for n, w in values.items()}}


def rise(results: Results, network: str) -> Measured:
    """How w(s) moves from s = 0 to 0.8, for each seed."""
    values = results.of(witness, network=network).values("values")
    return {RISE: [w[-1] - w[0] for w in values], "w": witnesses(results, network)}


def sees(results: Results, networks: Sequence[str]) -> Measured:
    """The spread of networks and of their additive twins, and how far they are from the limits."""
    twins, off = spreads(results, [f"{name}-sum" for name in networks])[SPREAD], {}
    for name in networks:
        limit_of = results.of(witness_of_limit, network=name).one("values")
        off[name] = max(abs(a - b) for a, b in zip(witnesses(results, name).values(), limit_of, strict=True))
    return {**spreads(results, networks), OFF: off, f"{SPREAD}, twins": twins}


def draw_witness(results: Results, groups: Sequence[Sequence[str]], axes: list[Any]) -> None:
    """Draw w(s) of each network, a group on each axes."""
    for a, names in zip(axes, groups, strict=True):
        for name, style in categories(list(names)).items():
            values = zip(*results.of(witness, network=name).values("values"), strict=True)
            a.plot(S, [mean(each) for each in values], label=name, **style)
        a.set(xlabel="s = Im <z, z'> / d", ylabel="w(s)")
