"""The claims of the memorisation study."""

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import memorise, on_pixels, on_sphere, ranks, smallest
from hpnets.papers.memorisation.sizes import PRODUCTS, TWINS, Sizes
from hpnets.statistics import log_slope, mean
from hpnets.study import Above, Always, Below, Between, Claim, Never, Paired, Results, labelled

Quantities = dict[str, Any]
MEMORISED = 1e-6
SLOPE, LAST, BENT = "slope in P", "slope in the last window", "slope in the first window less the last"
STORED, ENOUGH = "|lambda_min| / lambda_max of the stored kernel, P < N", "lambda_min / lambda_max, P >= 4 N"
BETTER = "lambda_min / lambda_max over the twin's"
BELOW, AT = "memorised with P < n", "least P / n from which on all seeds do"
EQUAL, AT_MOST = "measured rank is the predicted one, no activation", "rank is at most the bound, ReLU"
LOST = "memorised with rank < n <= P"
HELD, FLOOR = "memorised with rank >= n, P >= 2 n", "least error with rank < n <= P"
GAIN, UNDER, POWER = "log2 of the least P, product less twin", "lambda_min is below its bound", "slope in n"
POWERS, APART = "slope in n over -2/(d-1)", "slope in n less that of two layers"
ROUNDING = "lambda_min is rounding"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement; P is the number of parameters."""
    return [*eigenvalue_claims(sizes), *memory_claims(sizes), *point_claims(sizes)]


def eigenvalue_claims(sizes: Sizes) -> list[Claim]:
    """Of lambda_min over P, and of where it is 0."""
    formula, dim = "lambda_min = Omega(d_(L-1) d_(L-2)), near P", sizes.dim
    paper = partial(Claim, where="its theorem on lambda_min", formula=formula, seeds=sizes.seeds)
    window, linear = f"P / N = {sizes.ratios[0]:g} to {sizes.ratios[-1]:g}", Between(SLOPE, 0.85, 1.25, each=True)
    return [
        paper(
            f"lambda_min of a sigmoid network grows like P ({window}, d = {dim} fixed)",
            partial(growth, networks=("mlp-sigmoid",), others=("mlp-relu",), dim=dim),
            linear,
        ),
        paper(
            f"So does that of products ({window}; asked by us)",
            partial(growth, networks=PRODUCTS, others=TWINS, dim=dim),
            linear,
        ),
        paper(
            "In the paper's own shape, d-d-d-1, the slope in P nears 1 from above as P / N grows",
            partial(windows, sizes=sizes),
            Between(LAST, 0.9, 1.7) & Above(BENT, 1),
        ),
        paper(
            "At equal P the kernel of a product is better conditioned than that of its additive twin (asked by us)",
            partial(conditioned, sizes=sizes),
            Above(BETTER, 1, each=True).contradicted_if_reversed(),
        ),
        paper(
            "lambda_min is 0 if P < N, up to rounding, and is not at P >= 4 N",
            partial(edge, sizes=sizes),
            Below(STORED, 1e-12, each=True) & Above(ENOUGH, 1e-8, each=True),
        ),
    ]


def memory_claims(sizes: Sizes) -> list[Claim]:
    """Of what Adam memorises, and of ranks."""
    says = f"an error below {MEMORISED:g} after {sizes.steps} steps of Adam"
    ours = partial(Claim, where="asked of products by us", formula=says, seeds=sizes.seeds)
    polynomials = [network for network in sizes.trained if network.endswith("none")]
    return [
        Claim(
            "An MLP memorises labels that are noise from a small multiple of n parameters on, and none with fewer",
            partial(threshold, network="mlp-relu", labels=sizes.labels),
            Never(BELOW) & Below(AT, 8, each=True),
            *("its result on memorisation", says, sizes.seeds),
        ),
        ours(
            f"A product memorises with fewer parameters than its additive twin (d = {sizes.trained_dims[0]})",
            partial(gain, sizes=sizes),
            Paired(GAIN, sign=-1).contradicted_if_reversed(),
        ),
        Claim(
            "The rank of a product's NTK is what our formulas say, in every cell of a grid, and with ReLU bounded",
            formulas,
            Always(EQUAL) & Always(AT_MOST),
            "derived by us, docs/concepts/memorisation.md",
            "pnn, N >= 3: min(n, C(d+N-1, N), m (N (d-1) + 1)); pnn_skip: min(n, C(d+N, N) - 1, m N d); ..",
            sizes.seeds,
        ),
        ours(
            "Rank, not P, decides what a polynomial network memorises: with rank < n <= P it never memorises",
            partial(rank_decides, networks=polynomials),
            (Never(LOST) & Always(HELD)).contradicted_if(Always(LOST)),
        ),
    ]


def point_claims(sizes: Sizes) -> list[Claim]:
    """Of lambda_min over the number of points, on the sphere and on images."""
    bound = "n^(-4/(d-1)) < lambda_min <= K(0) - K(delta_min), near n^(-2/(d-1))"
    ours = partial(Claim, where="asked of products by us", seeds=sizes.seeds)
    two, *others = sizes.limits
    return [
        Claim(
            "lambda_min of the two-layer ReLU limit on the sphere lies below the bound of its two nearest points, and "
            "falls in n between the powers of the bounds (to 10%, for logarithms)",
            partial(sphere, networks=(two,)),
            Always(UNDER) & Between(POWERS, 0.9, 2.2, each=True),
            *("stated in a citing paper (arXiv 2405.14630)", bound, sizes.seeds),
        ),
        ours(
            "On the sphere products fall by the power of the two-layer network: they move the constant alone",
            partial(sphere, networks=others, beside=two),
            Always(UNDER) & Between(APART, -0.25, 0.25, each=True),
            formula="K(0) - K(delta) ~ delta",
        ),
        ours(
            f"On real pixels ({sizes.images}) lambda_min is no rounding, and falls as points come closer",
            pixels,
            Never(ROUNDING) & Below(POWER, 0, each=True),
            formula="lambda_min over n",
        ),
    ]


def slopes(results: Results, network: str, **options: Any) -> list[float]:
    """The slope of log lambda_min on log P, of each seed."""
    seeds = results.of(smallest, network=network, **options).split("seed").values()
    return [log_slope(of.values("parameters"), of.values("min")) for of in seeds]


def growth(results: Results, networks: Sequence[str], others: Sequence[str], dim: int) -> Quantities:
    of, beside = ({name: slopes(results, name, dim=dim) for name in names} for names in (networks, others))
    return {SLOPE: {name: mean(each) for name, each in of.items()}, "each seed": of, "beside": beside}


def conditioned(results: Results, sizes: Sizes) -> Quantities:
    made = {}
    for product, twin in zip(PRODUCTS, TWINS, strict=True):
        of = [results.of(smallest, network=name, dim=sizes.dim, ratio=sizes.ratios[-1]) for name in (product, twin)]
        ours, theirs = ([r.at("min") / r.at("max") for r in each] for each in of)
        made[product] = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {BETTER: made}


def windows(results: Results, sizes: Sizes) -> Quantities:
    made = {}
    for low, high in itertools.pairwise(sizes.square_ratios):
        parts = (results.of(smallest, network="mlp-sigmoid", dim=0, ratio=r) for r in (low, high))
        pairs = zip(*(zip(of.values("parameters"), of.values("min"), strict=True) for of in parts), strict=True)
        made[f"P / N = {low:g} to {high:g}"] = [log_slope(*zip(*pair, strict=True)) for pair in pairs]
    first, *_, last = made.values()
    return {LAST: last, BENT: mean(first) - mean(last), "all": made}


def edge(results: Results, sizes: Sizes) -> Quantities:
    few: dict[str, float] = {}
    enough: dict[str, float] = {}
    beside: dict[str, str] = {}
    for (network, ratio), of in results.of(smallest, dim=0).split("network", "ratio").items():
        ratios, name = [r.at("min") / r.at("max") for r in of], f"{network}, {ratio:g} N"
        if ratio < 1:
            few[network] = max(abs(r.at("stored")) / r.at("max") for r in of)
        elif ratio >= 4 and network not in sizes.dying:
            enough[name] = min(ratios)
        elif network in sizes.edge_networks:
            beside[name] = f"{sum(r.at('noise') for r in of)} of {len(of)} are 0, the greatest is {max(ratios):.0e}"
    return {STORED: few, ENOUGH: enough, "P = 2 N, or points where all units are dead": beside}


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
    """The least P / n from which on all of these rows memorise; where the last does not, twice the last P / n."""
    failed = max((row["P"] for row in rows if not row["memorised"]), default=0)
    more = [row["P"] / row["n"] for row in rows if row["P"] > failed]
    return min(more) if more else 2 * failed / rows[0]["n"]


def threshold(results: Results, network: str, labels: int) -> Quantities:
    rows = trained(results, network)
    fewer = [row["memorised"] for row in rows if row["P"] < row["n"]]
    of = [row for row in rows if row["n"] == labels]
    dims = sorted({row["d"] for row in of})
    all_seeds = {d: least([row for row in of if row["d"] == d]) for d in dims}
    at_most = max(row["loss"] for row in of if row["P"] <= row["n"])
    return {BELOW: fewer, AT: labelled("d", all_seeds), "greatest error at P <= n": at_most}


def gain(results: Results, sizes: Sizes) -> Quantities:
    made: dict[str, list[float]] = {}
    for network in (*sizes.tuned, "mlp-relu"):
        rows = trained(results, network, samples=sizes.labels, dim=sizes.trained_dims[0])
        made[network] = [least([row for row in rows if row["seed"] == seed]) for seed in range(sizes.seeds)]
    net, twin = (made[network] for network in sizes.tuned)
    rates = ", ".join(f"{rate:g}" for rate in sizes.rates)
    return {
        GAIN: [math.log2(a / b) for a, b in zip(net, twin, strict=True)],
        "least P / n": made,
        "best of rates": rates,
    }


def formulas(results: Results) -> Quantities:
    equal, under, attained = [], [], {}
    for network, of in results.of(ranks).split("network").items():
        pairs = [pair for r in of for pair in zip(r.at("rank"), r.at("predicted"), strict=True)]
        same = [seen == predicted for seen, predicted in pairs]
        if network.endswith("none"):
            equal += same
        else:
            under += [seen <= predicted for seen, predicted in pairs]
            attained[network] = same
    return {EQUAL: equal, AT_MOST: under, "attained with ReLU": attained}


def rank_decides(results: Results, networks: Sequence[str]) -> Quantities:
    rows = [row for network in networks for row in trained(results, network)]
    lost = [row for row in rows if row["rank"] < row["n"] <= row["P"]]
    held = [row["memorised"] for row in rows if row["P"] >= 2 * row["n"] and row["rank"] >= row["n"]]
    right = {key: [row["memorised"] == (row[key] >= row["n"]) for row in rows] for key in ("rank", "P")}
    shown = {f"memorised as {key} >= n says": share for key, share in right.items()}
    seen = {LOST: [row["memorised"] for row in lost], HELD: held}
    return {**seen, FLOOR: min(row["loss"] for row in lost), **shown}


def sphere(results: Results, networks: Sequence[str], beside: str | None = None) -> Quantities:
    of, under = {}, []
    for (network, d), part in results.of(on_sphere).split("network", "dim").items():
        under += [r.at("min") <= r.at("bound") + r.at("error") for r in part if network in networks]
        of[network, d] = [log_slope(s.by("samples"), s.values("min")) for s in part.split("seed").values()]
    shown = {f"{network}, d = {d}": of[network, d] for network, d in of if network in networks}
    in_bound = {f"{network}, d = {d}": mean(of[network, d]) * (1 - d) / 2 for network, d in of if network in networks}
    if beside is None:
        return {UNDER: under, POWERS: in_bound, POWER: shown}
    apart = {f"{name}, d = {d}": mean(of[name, d]) - mean(of[beside, d]) for name, d in of if name in networks}
    return {UNDER: under, APART: apart, POWER: shown}


def pixels(results: Results) -> Quantities:
    parts = results.of(on_pixels).split("network")
    powers = {
        network: [log_slope(s.by("samples"), s.values("min")) for s in of.split("seed").values()]
        for network, of in parts.items()
    }
    last = {network: [r.at("min") / r.at("max") for r in of][-1] for network, of in parts.items()}
    return {ROUNDING: results.of(on_pixels).values("noise"), POWER: powers, "lambda_min / lambda_max at the most": last}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    sigmoid, dim = mean(slopes(results, "mlp-sigmoid", dim=sizes.dim)), sizes.trained_dims[0]
    products = [mean(slopes(results, name, dim=sizes.dim)) for name in PRODUCTS]
    better = [mean(ratios) for ratios in conditioned(results, sizes)[BETTER].values()]
    mlp = threshold(results, "mlp-relu", sizes.labels)[AT][f"d = {dim}"]
    decided = rank_decides(results, [n for n in sizes.trained if n.endswith("none")])
    equal = formulas(results)[EQUAL]
    return [
        f"The smallest eigenvalue of the NTK grows with the number of parameters P as P^{sigmoid:.2f} in a sigmoid "
        f"network, as P^{min(products):.2f} to P^{max(products):.2f} in products, from P / N = {sizes.ratios[0]:g} on.",
        f"At equal P a product's kernel is {min(better):.1f} to {max(better):.1f} times as well conditioned as that of "
        "its additive twin.",
        f"An MLP memorises {sizes.labels} random labels in R^{dim} once P is {mlp:.1f} times their number; what a "
        f"polynomial network can memorise is limited by rank: with rank < n <= P the error stayed above "
        f"{decided[FLOOR]:.1g}.",
        f"The rank follows closed formulas in degree, dimension and width, in {sum(equal)} of {len(equal)} cells.",
    ]
