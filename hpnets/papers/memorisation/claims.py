"""The claims of the memorisation study."""

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import memorise, on_pixels, on_sphere, ranks, smallest
from hpnets.papers.memorisation.sizes import PRODUCTS, TWINS, Sizes
from hpnets.statistics import log_slope, mean, spread
from hpnets.study import Above, Always, Below, Between, Claim, Never, Paired, Results, labelled

Quantities = dict[str, Any]
MEMORISED = 1e-6
SLOPE, LAST, BENT = "slope in P", "slope in the last window", "slope in the first window less the last"
STORED, ENOUGH = "|lambda_min| / lambda_max of the stored kernel, P < N", "lambda_min / lambda_max, P >= 4 N"
BELOW, AT = "memorised with P < n", "least P / n at which all seeds memorise"
EQUAL, LOST, HELD = "measured rank is the predicted one", "memorised with rank < n <= P", "memorised at rank >= 2 n"
GAIN, UNDER, POWER = "log2 of the least P, product less twin", "lambda_min <= bound", "slope in n"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement; P is the number of parameters."""
    paper = partial(Claim, where="its theorem on lambda_min (body not read: the claim is ours)", seeds=sizes.seeds)
    ours = partial(Claim, where="asked of products, ours", seeds=sizes.seeds)
    wide, linear = f"P / N = {sizes.ratios[0]:g} to {sizes.ratios[-1]:g}", Between(SLOPE, 0.85, 1.25, each=True)
    of = {"formula": "lambda_min = Omega(d_(L-1) d_(L-2)), near P"}
    return [
        paper(
            f"lambda_min of a sigmoid network grows like P ({wide}, d = {sizes.dim} fixed)",
            partial(growth, networks=("mlp-sigmoid",), dim=sizes.dim),
            linear,
            **of,
        ),
        ours(f"So does that of products ({wide})", partial(growth, networks=PRODUCTS, dim=sizes.dim), linear, **of),
        paper(
            "In the paper's own shape, d-d-d-1, the slope in P nears 1 from above as P / N grows",
            partial(windows, sizes=sizes),
            Between(LAST, 0.9, 1.7) & Above(BENT, 1),
            **of,
        ),
        paper(
            "lambda_min is 0 if P < N, up to rounding, and is not at P >= 4 N",
            partial(edge, sizes=sizes),
            Below(STORED, 1e-12, each=True) & Above(ENOUGH, 1e-8, each=True),
            formula="rank K <= P",
        ),
        paper(
            f"An MLP memorises N(0, 1) labels from a small multiple of n parameters on ({sizes.steps} steps of Adam)",
            partial(threshold, network="mlp-relu"),
            Never(BELOW) & Below(AT, 8, each=True),
            formula="P ~ n; an error below 1e-6",
        ),
        ours(
            "A product memorises with fewer parameters than its additive twin",
            partial(gain, network="ccp-2-relu"),
            Paired(GAIN, sign=-1).contradicted_if_reversed(),
            formula="least P with an error below 1e-6",
        ),
        ours(
            "The rank of a product's NTK is what our formulas say, in every cell of a grid",
            formulas,
            Always(EQUAL),
            formula="pnn, N >= 3: min(n, C(d+N-1, N), m (N (d-1) + 1)); the others: docs/concepts/memorisation.md",
        ),
        ours(
            "Rank, not P, decides whether a polynomial network memorises: with rank < n it never does",
            partial(rank_decides, networks=[n for n in sizes.trained if n.endswith("none")]),
            (Never(LOST) & Always(HELD)).contradicted_if(Always(LOST)),
            formula="rank >= n is necessary",
        ),
        paper(
            "On the sphere lambda_min of the two-layer ReLU limit is bounded by its two nearest points, and falls in n "
            "between the powers of the bounds (up to logarithms)",
            partial(sphere, network="pnn-1-relu"),
            Always(UNDER) & Between("slope / (2 / (d-1))", -2, -0.9, each=True),
            formula="n^(-4/(d-1)) < lambda_min <= K(0) - K(delta_min) ~ n^(-2/(d-1))",
        ),
        ours(
            "Products fall with the power of the two-layer network: they move the constant alone",
            partial(same_power, sizes=sizes),
            Always(UNDER) & Between("slope less that of two layers", -0.25, 0.25, each=True),
            formula="K(0) - K(delta) ~ delta",
        ),
        ours(
            f"On real pixels ({sizes.images}) lambda_min is far from rounding, and falls as points come closer",
            partial(pixels, sizes=sizes),
            Never("rounding or 0 by counting") & Below(POWER, 0, each=True),
            formula="lambda_min over n",
        ),
    ]


def slopes(results: Results, network: str, **options: Any) -> list[float]:
    """The slope of log lambda_min on log P, of each seed."""
    seeds = results.of(smallest, network=network, **options).split("seed").values()
    return [log_slope(of.values("parameters"), of.values("min")) for of in seeds]


def growth(results: Results, networks: Sequence[str], dim: int) -> Quantities:
    of = {network: slopes(results, network, dim=dim) for network in networks}
    others = ("mlp-relu",) if len(networks) == 1 else TWINS
    beside = {network: slopes(results, network, dim=dim) for network in others}
    return {SLOPE: {n: mean(s) for n, s in of.items()}, "each seed": of, "beside": beside}


def windows(results: Results, sizes: Sizes) -> Quantities:
    made = {}
    for low, high in itertools.pairwise(sizes.square_ratios):
        parts = (results.of(smallest, network="mlp-sigmoid", dim=0, ratio=r) for r in (low, high))
        pairs = zip(*(zip(of.values("parameters"), of.values("min"), strict=True) for of in parts), strict=True)
        made[f"P / N = {low:g} to {high:g}"] = [log_slope(*zip(*pair, strict=True)) for pair in pairs]
    first, *_, last = made.values()
    return {LAST: last, BENT: mean(first) - mean(last), "all": made}


def edge(results: Results, sizes: Sizes) -> Quantities:
    few, enough, between = {}, {}, {}
    for (network, ratio), of in results.of(smallest, dim=0).split("network", "ratio").items():
        ratios = [r.at("min") / r.at("max") for r in of]
        name = f"{network}, {ratio:g}"
        if network not in sizes.edge_networks:
            continue
        if ratio < 1:
            few[network] = [abs(r.at("stored")) / r.at("max") for r in of]
        elif ratio >= 4 and network != sizes.dead:
            enough[name] = min(ratios)
        else:
            between[name] = f"{spread(ratios, '.1g')}"
    return {STORED: {k: max(v) for k, v in few.items()}, ENOUGH: enough, "2 N, and dead points": between}


def trained(results: Results, network: str, **options: Any) -> list[dict[str, Any]]:
    """One row for each number of points, width and seed: d, n, P, rank, and the least loss of all rates."""
    made = []
    for (dim, n), of in results.of(memorise, network=network, **options).split("dim", "samples").items():
        first = of.items[0]
        for i, P in enumerate(first.at("parameters")):
            for j, rank in enumerate(first.at("rank", i)):
                loss = min(of.values("loss", i, j))
                row = {"d": dim, "n": n, "P": P, "rank": rank, "seed": j, "loss": loss}
                made.append({**row, "memorised": loss < MEMORISED})
    return made


def least(rows: list[dict[str, Any]]) -> float:
    """The least P / n from which on all of these rows memorise; inf if none does."""
    failed = max((row["P"] for row in rows if not row["memorised"]), default=0)
    return min((row["P"] / row["n"] for row in rows if row["P"] > failed), default=math.inf)


def threshold(results: Results, network: str, labels: int) -> Quantities:
    rows = trained(results, network)
    fewer = [row["memorised"] for row in rows if row["P"] < row["n"]]
    of = [row for row in rows if row["n"] == labels]
    dims = sorted({row["d"] for row in of})
    all_seeds = {d: least([row for row in of if row["d"] == d]) for d in dims}
    at_most = max(row["loss"] for row in of if row["P"] <= row["n"])
    return {BELOW: fewer, AT: labelled("d", all_seeds), "greatest error at P <= n": at_most}


def gain(results: Results, network: str, labels: int) -> Quantities:
    made: dict[str, list[float]] = {}
    for name in (network, f"{network}-sum", "mlp-relu"):
        rows = trained(results, name, samples=labels)
        keys = sorted({(row["d"], row["seed"]) for row in rows})
        made[name] = [least([row for row in rows if (row["d"], row["seed"]) == key]) for key in keys]
    differences = [math.log2(a / b) for a, b in zip(made[network], made[f"{network}-sum"], strict=True)]
    return {GAIN: differences, "least P / n": made}


def formulas(results: Results) -> Quantities:
    by_network = {}
    for network, of in results.of(ranks).split("network").items():
        pairs = [pair for r in of for pair in zip(r.at("rank"), r.at("predicted"), strict=True)]
        by_network[network] = [seen == predicted for seen, predicted in pairs]
    return {EQUAL: [equal for each in by_network.values() for equal in each], "by network": by_network}


def rank_decides(results: Results, networks: Sequence[str]) -> Quantities:
    rows = [row for network in networks for row in trained(results, network)]
    lost = [row for row in rows if row["rank"] < row["n"] <= row["P"]]
    held = [row["memorised"] for row in rows if row["P"] >= 2 * row["n"] and row["rank"] >= row["n"]]
    right = {key: [row["memorised"] == (row[key] >= row["n"]) for row in rows] for key in ("rank", "P")}
    shown = {f"memorised as {key} >= n says": share for key, share in right.items()}
    return {LOST: [row["memorised"] for row in lost], HELD: held, "least error there": min(r["loss"] for r in lost), **shown}


def sphere(results: Results, networks: Sequence[str], sizes: Sizes) -> Quantities:
    under, made = [], {}
    for (network, d), of in results.of(on_sphere).split("network", "dim").items():
        if network in networks:
            under += [r.at("min") <= r.at("bound") + r.at("error") for r in of]
            powers = [log_slope(each.by("samples"), each.values("min")) for each in of.split("seed").values()]
            made[f"{network}, d = {d}"] = powers
    return {UNDER: under, POWER: made}
