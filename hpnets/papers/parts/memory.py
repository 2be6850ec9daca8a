"""Training networks of several widths on labels that are noise: from which width on they memorise them, and a map."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.ntk import singular_values
from hpnets.papers.parts.ensembles import Ensemble, fit
from hpnets.papers.parts.sized_networks import drawn, noise_points, parameters, width_needed
from hpnets.study import Results, labelled, phase_map

MEMORISED = 1e-6
Row = dict[str, Any]
BELOW, FIRST, AT = "memorised with P < n", "least P / n from which on all seeds do", "least P / n"
LOST, FLOOR = "memorised with rank < n <= P", "least error there"
HELD = "memorised with rank >= n, P >= 2 n"


def padded(nets: list[nn.Module], device: str) -> Ensemble:
    """Networks of several widths as one ensemble: each has units of weight 0 beside its own, up to the widest.

    Such a unit is 0 with gradient 0, so that it stays 0 under Adam; s(0) must be 0. Not for pnn: its factor before the
    read-out, which is no parameter, depends on the width.
    """
    widest = max(nets, key=lambda net: sum(p.numel() for p in net.parameters()))
    params = {}
    for name, p in widest.named_parameters():
        params[name] = torch.zeros(len(nets), *p.shape)
        for row, net in zip(params[name], nets, strict=True):
            own = net.get_parameter(name).detach()
            row[tuple(map(slice, own.shape))] = own
    return Ensemble(copy.deepcopy(widest).to("meta"), {name: p.to(device) for name, p in params.items()})


def train_to_memorise(nets: list[nn.Module], x: Tensor, y: Tensor, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """The errors (M,) after full-batch Adam, lr rate / (10 sqrt(n)) to 0, and the ranks (M,) of the NTK before it.

    x: (M, n, d), y: (M, n, 1), one data set a network. Source of the rate: Bombari et al. 2022 (arXiv 2205.10217).
    """
    ranks = [singular_values(net, x_m, outputs="trace").rank for net, x_m in zip(nets, x.cpu(), strict=True)]
    errors = fit(padded(nets, str(x.device)), x, y, steps, lr=0.1 * rate / x.shape[1] ** 0.5)
    return errors, torch.tensor(ranks)


def memorise(
    network: str, dim: int, samples: int, rate: float, widths: list[int], seeds: list[int], steps: int, device: str
) -> Row:
    """Adam on N(0, 1) labels, all widths at once: by width P and, of each seed, the error and the rank at the start."""
    members = [(width, seed) for width in widths for seed in seeds]
    nets = [drawn(network, dim, *member) for member in members]
    x, y = (
        torch.stack(part).to(device) for part in zip(*(noise_points(dim, samples, s) for _, s in members), strict=True)
    )
    by_width = [part.view(len(widths), -1).tolist() for part in train_to_memorise(nets, x, y, steps, rate)]
    sizes = [parameters(network, dim, width) for width in widths]
    return {"loss": by_width[0], "rank": by_width[1], "parameters": sizes}


def runs(results: Results) -> list[Row]:
    """A row for each d, n, width and seed of the cells "memorise": P, the rank, the least error of all rates."""
    made = []
    for (dim, n), of in results.split("dim", "samples").items():
        first = of.items[0]
        for i, P in enumerate(first.at("parameters")):
            for seed, rank in enumerate(first.at("rank", i)):
                error = min(of.values("loss", i, seed))
                row = {"d": dim, "n": n, "P": P, "rank": rank, "seed": seed, "error": error}
                made.append({**row, "memorised": error < MEMORISED})
    return made


def least(rows: list[Row]) -> float:
    """The least P / n from which on all of these rows memorise; where the last does not, twice the last P / n."""
    failed = max((row["P"] for row in rows if not row["memorised"]), default=0)
    more = [row["P"] / row["n"] for row in rows if row["P"] > failed]
    return min(more) if more else 2 * failed / rows[0]["n"]


def threshold(results: Results, network: str, labels: int) -> Row:
    """Whether networks memorise with fewer parameters than labels, and from which P / n on they do, by dimension."""
    rows = runs(results.of(memorise, network=network))
    at = {d: [row for row in rows if (row["d"], row["n"]) == (d, labels)] for d in sorted({row["d"] for row in rows})}
    fewer = [row["memorised"] for row in rows if row["P"] < row["n"]]
    return {BELOW: fewer, FIRST: labelled("d", {d: least(part) for d, part in at.items()})}


def decided(results: Results, networks: Sequence[str]) -> Row:
    """What networks memorise, by rank and by P: with rank < n <= P, and with rank >= n and P >= 2 n."""
    of = {network: runs(results.of(memorise, network=network)) for network in networks}
    rows = [row for part in of.values() for row in part]
    lost = [row for row in rows if row["rank"] < row["n"] <= row["P"]]
    held = [row["memorised"] for row in rows if row["P"] >= 2 * row["n"] and row["rank"] >= row["n"]]
    right = {f"{key} >= n says": [r["memorised"] == (r[key] >= r["n"]) for r in rows] for key in ("rank", "P")}
    shown = {LOST: [r["memorised"] for r in lost], FLOOR: min(r["error"] for r in lost), HELD: held, "right": right}
    return {**shown, "errors": {network: errors(part) for network, part in of.items()}}


def errors(rows: list[Row]) -> dict[str, list[float]]:
    """Of the highest dimension and most points: the errors at the last rank below n and at the first P with n."""
    made: dict[tuple[int, int], list[float]] = {}
    top, n = max((row["d"], row["n"]) for row in rows)
    for row in rows:
        if (row["d"], row["n"]) == (top, n):
            made.setdefault((row["P"], row["rank"]), []).append(row["error"])
    last, first = max((k for k in made if k[1] < n), default=None), min((k for k in made if k[1] == n), default=None)
    return {f"d = {top}, P = {P}, rank {rank}": made[P, rank] for P, rank in filter(None, (last, first))}


def draw_map(results: Results, labels: Sequence[int], axes: Any) -> None:
    """Draw the greatest error of all seeds of one network over n and the width, and where P or the rank reaches n."""
    of = results.items[0].options
    cells = {
        (float(n), float(width)): math.log10(max(*r.at("loss", i), 1e-12))
        for n in labels
        for r in results.of(memorise, samples=n)
        for i, width in enumerate(of["widths"])
    }
    texts: dict[str, Any] = {"xlabel": "n, labels to memorise", "ylabel": "m, units of a hidden layer"}
    needed = {float(n): width_needed(of["network"], of["dim"], n) for n in labels}
    line = [(n, m) for n, m in needed.items() if m <= of["widths"][-1]]
    name = "P = n" if of["network"].startswith("mlp") else "rank = n"
    phase_map(axes, cells, **texts, value="log10 error", at_most=math.log10(MEMORISED), line=line, predicted=name)
    axes.set(title=of["network"])
