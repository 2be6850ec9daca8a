"""What the study of learning-rate transfer reads from its results: best rates in octaves, sharpness in decades."""

import math
from collections.abc import Sequence
from typing import Any

from hpnets.statistics import deviation, log_slope, mean
from hpnets.study import Results

Way = tuple[str, str, str]  # network, parametrisation, optimiser
RATES = "log2 rate"
# Late steps are those after this share of them.
LATE = 2 / 3


def of_way(results: Results, cell: str, way: Way) -> Results:
    """The results of the cells "best_rate" or "tracked" of a network, parametrisation and optimiser."""
    return results.of(cell, network=way[0], kind=way[1], optimizer=way[2])


def best(results: Results, way: Way) -> dict[int, float]:
    """log2 of the best rate by size, ascending."""
    made = {}
    for size, of in of_way(results, "best_rate", way).split("size").items():
        losses = [mean(row) for row in of.one("loss")]
        made[size] = of.one("powers", losses.index(min(losses)))
    return dict(sorted(made.items()))


def span(results: Results, way: Way) -> float:
    """The greatest less the least best rate, in octaves."""
    return max(best(results, way).values()) - min(best(results, way).values())


def rise(results: Results, way: Way) -> float:
    """The best rate at the last size less that at the first, in octaves."""
    powers = list(best(results, way).values())
    return powers[-1] - powers[0]


def rates(results: Results, *ways: Way) -> dict[str, Any]:
    """The best rates as quantities of a claim."""
    return {
        f"{RATES}, {', '.join(way)}": {f"size = {size}": power for size, power in best(results, way).items()}
        for way in ways
    }


def late(results: Results, way: Way, key: str = "hessian") -> list[float]:
    """The late values of every seed at every size."""
    return [value for run in of_way(results, "tracked", way) for value in late_of(run.at("rows"), run.options, key)]


def late_of(rows: list[dict[str, float]], options: dict[str, Any], key: str) -> list[float]:
    """The late values of one run; infinity where it diverged before."""
    times = [t for t in options["times"] if t >= LATE * options["times"][-1]]
    kept = [row[key] for row in rows if row["step"] in times]
    return kept if len(kept) == len(times) else [math.inf]


def spread(results: Results, way: Way, key: str = "hessian") -> list[float]:
    """The standard deviation over sizes of the mean log10 of late values, of each seed."""
    return spread_by_seed(of_way(results, "tracked", way), key)


def spread_by_seed(tracks: Results, key: str = "hessian") -> list[float]:
    """The same of the tracks of one network over the sizes."""
    seeds = tracks.split("seed").values()
    return [spread_of([late_of(r.at("rows"), r.options, key) for r in runs]) for runs in seeds]


def means_by_setting(results: Results, kind: str) -> dict[str, float]:
    """The MLP's spread under SGD, the mean over seeds, at each setting that it was followed at."""
    main = of_way(results, "tracked", ("mlp", kind, "sgd"))
    made = {f"2^-3, {main.items[0].options['samples']} samples": mean(spread_by_seed(main))}
    for (octaves, samples), tracks in results.of("swept", kind=kind).split("setting").items():
        made[f"2^-{octaves}, {samples} samples"] = mean(spread_by_seed(tracks))
    return made


def spread_of(values: Sequence[Sequence[float]]) -> float:
    """Infinite where a run diverged; a value that is not positive counts as the least one above 0."""
    if not all(math.isfinite(v) for each in values for v in each):
        return math.inf
    return deviation([mean(math.log10(max(v, 1e-12)) for v in each) for each in values])


def growth(results: Results, way: Way) -> float:
    """log10 of the sharpness before the first step at the last size over that at the first, the mean over seeds."""
    of = dict(sorted(of_way(results, "tracked", way).by("size", "rows", 0, "hessian").items()))
    ends = [mean(map(math.log10, of[size])) for size in (min(of), max(of))]
    return ends[1] - ends[0]


def has(results: Results, way: Way) -> bool:
    """Whether there are best rates of it."""
    named = dict(zip(("network", "kind", "optimizer"), way, strict=True))
    return any(r.function == "best_rate" and named.items() <= r.options.items() for r in results)


def gaps_of_shares(results: Results, networks: Sequence[str]) -> dict[str, list[float]]:
    """How much more of a product's top eigenvalue is residual than of its twin's, by network, of each seed.

    Under mup and SGD, before the first step, the mean over sizes.
    """
    return {
        name: [twin - net for net, twin in zip(*(shares(results, n) for n in (name, f"{name}-sum")), strict=True)]
        for name in networks
    }


def shares(results: Results, network: str) -> list[float]:
    """The Gauss-Newton share before the first step, the mean over sizes, of each seed."""
    seeds = of_way(results, "tracked", (network, "mup", "sgd")).split("seed").values()
    return [mean(runs.values("rows", 0, "share")) for runs in seeds]


def residual_slope(results: Results, kind: str) -> float:
    """The slope of log(residual part's eigenvalue before the first step) of linear networks over log(width)."""
    of = results.of("linear", kind=kind).by("size", "rows", 0, "residual")
    return log_slope(list(of), [mean(values) for values in of.values()])
