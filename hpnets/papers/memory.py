"""Training networks of several widths on labels that are noise, and from which width on they memorise them."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.ntk import singular_values
from hpnets.papers.ensembles import Ensemble, fit
from hpnets.study import Results

MEMORISED = 1e-6
Row = dict[str, Any]


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
