"""Tables of learning-rate transfer: best rates by size, and how consistent sharpness is."""

from collections.abc import Mapping

from hpnets.papers.parts.rate_measures import Way, best, late_of, spread
from hpnets.statistics import mean
from hpnets.statistics import spread as seeds_spread
from hpnets.study import Results

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def ways(results: Results, function: str) -> Mapping[Way, Results]:
    """The results of a cell by network, parametrisation and optimiser."""
    return results.of(function).split("network", "kind", "optimizer")


def rate_rows(results: Results) -> Table:
    """log2 of the best rates and the late losses there, a row a network."""
    rows = []
    for way, of in ways(results, "best_rate").items():
        powers, by = best(results, way), of.split("size")
        ends = {by[size].one("powers", i) for size in powers for i in (0, -1)}
        shown = (f"{size}: {power:g}{' (end of the grid)' if power in ends else ''}" for size, power in powers.items())
        least = (f"{size}: {min(map(mean, by[size].one('loss'))):.2g}" for size in powers)
        rows.append((*way, "; ".join(shown), "; ".join(least)))
    return ("network", "parametrisation", "optimiser", "size: log2 rate", "size: loss"), tuple(rows)


def sharp_rows(results: Results) -> Table:
    """Spreads of late sharpness over the sizes, and Gauss-Newton shares, a row a network."""
    rows = []
    for way, of in ways(results, "tracked").items():
        spreads = (seeds_spread(spread(results, way, key), ".2g") for key in ("hessian", "raw", "kernel"))
        shares = [v for run in of for v in late_of(run.at("rows"), run.options, "share")]
        starts = [run.at("rows", 0).get("share", float("inf")) for run in of]
        rows.append((*way, *spreads, seeds_spread(starts, ".2g"), seeds_spread(shares, ".3g")))
    head = ("network", "parametrisation", "optimiser", "sharpness", "raw", "kernel", "share at the start", "share late")
    return head, tuple(rows)
