"""Quantities of claims about learning-rate transfer, and their names: ranges of best rates over width and branches."""

from collections.abc import Callable, Sequence
from typing import Any

from hpnets.papers.parts.rate_measures import gaps_of_shares, has, rates, span, spread
from hpnets.papers.parts.rated_networks import COPIED
from hpnets.statistics import mean
from hpnets.study import Results

Quantities = dict[str, Any]
SCALED = {"a = 0": "mup", "a = 1/2": "depth_mup", "a = 1": "completep"}
RANGE, PART = "range of the best rates", "residual share, product less twin"
COPIES = "range where the units are copies"
FALL, HALF, ONE = (f"range, {a}" for a in SCALED)
TWIN, TWIN_ONE = "range of the twin, a = 1/2", "range of the twin, a = 1"


def over(networks: Sequence[str], optimizer: str) -> Callable[[Results], Quantities]:
    """A statistic: the ranges over the width of networks and their twins under mup, and all best rates."""

    def measure(results: Results) -> Quantities:
        ways, twins = ({n: (n + end, "mup", optimizer) for n in networks} for end in ("", "-sum"))
        made: Quantities = {RANGE: {n: span(results, way) for n, way in ways.items()}}
        kept = {n: span(results, way) for n, way in twins.items() if has(results, way)}
        return made | ({"of the twins": kept} if kept else {}) | rates(results, *ways.values())

    return measure


def two_layers(results: Results) -> Quantities:
    """The ranges over the branches of residual MLPs with two layers a block, by optimiser, and all best rates."""
    made, shown = dict[str, dict[str, float]](), Quantities()
    for key, a in ((HALF, "a = 1/2"), (ONE, "a = 1")):
        ways = {o: ("resmlp-2", SCALED[a], o) for o in ("sgd", "adam")}
        kept = {o: way for o, way in ways.items() if has(results, way)}
        made[key] = {o: span(results, way) for o, way in kept.items()}
        shown |= rates(results, *kept.values())
    return {**made, **shown}


def degrees(results: Results) -> Quantities:
    """The ranges over the branches of products of high degree and of their twins, and all best rates."""
    ways = {FALL: ("deep", "a = 0"), HALF: ("deep", "a = 1/2"), ONE: ("deep", "a = 1")}
    ways |= {TWIN: ("deep-sum", "a = 1/2"), TWIN_ONE: ("deep-sum", "a = 1")}
    full = {key: (name, SCALED[a], "sgd") for key, (name, a) in ways.items()}
    return {**{key: span(results, way) for key, way in full.items()}, **rates(results, *full.values())}


def copies(results: Results, name: str) -> Quantities:
    """The ranges over the width of a network of copied units and of the one whose units are drawn, and their rates."""
    way, drawn = ((n, "mup", "sgd") for n in (name, name.removesuffix(COPIED)))
    return {COPIES: span(results, way), RANGE: span(results, drawn), **rates(results, way, drawn)}


def spreads(results: Results, networks: Sequence[str]) -> dict[str, float]:
    """The spread of late sharpness over the width of each network under mup and SGD, the mean over seeds."""
    return {name: mean(spread(results, (name, "mup", "sgd"))) for name in networks}


def parts(results: Results, networks: Sequence[str]) -> Quantities:
    """How much more of a product's top eigenvalue is residual than of its twin's, of all seeds, and by network."""
    gaps = gaps_of_shares(results, networks)
    return {PART: [gap for each in gaps.values() for gap in each], "by network": {n: mean(g) for n, g in gaps.items()}}
