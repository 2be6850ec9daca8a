"""The claims of the memorisation study; P is the number of parameters."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import on_sphere, ranks
from hpnets.papers.memorisation.sizes import PRODUCTS, TWINS, Sizes
from hpnets.papers.parts.least_eigenvalues import conditions, on_pixels, slopes, smallest, windows
from hpnets.papers.parts.memory import (
    AT,
    BELOW,
    FIRST,
    FLOOR,
    HELD,
    LOST,
    MEMORISED,
    decided,
    least,
    memorise,
    runs,
    threshold,
)
from hpnets.papers.parts.sized_networks import expected_dead
from hpnets.statistics import log_slope, mean
from hpnets.study import Above, Always, Below, Between, Claim, Never, Paired, Results

Quantities = dict[str, Any]
SLOPE, LAST, BENT = "slope in P", "slope in the last window", "slope in the first window less the last"
STORED, ENOUGH = "|lambda_min| / lambda_max of the stored kernel, P < N", "least lambda_min / lambda_max, P >= 4 N"
DEAD = 0.01  # with fewer dead points expected there are none
BETTER, GAIN = "lambda_min / lambda_max over the twin's", "log2 of the least P, product less twin"
EQUAL, AT_MOST = "measured rank is the predicted one, no activation", "rank is at most the bound, ReLU"
UNDER, POWERS, POWER = "lambda_min is below its bound", "slope in n over -2/(d-1)", "slope in n"
APART, ROUNDING = "slope in n less that of two layers", "lambda_min is rounding"
OURS = "asked of products by us"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*eigenvalue_claims(sizes), *memory_claims(sizes), *point_claims(sizes)]


def eigenvalue_claims(sizes: Sizes) -> list[Claim]:
    """Of lambda_min over P, and of where it is 0."""
    formula = "lambda_min = Omega(d_(L-1) d_(L-2)), near P"
    paper = partial(Claim, where="its theorem on lambda_min", formula=formula, seeds=sizes.seeds)
    ours, over = partial(paper, where=OURS), partial(growth, dim=sizes.dim)
    window, linear = f"P / N = {sizes.ratios[0]:g} to {sizes.ratios[-1]:g}", Between(SLOPE, 0.85, 1.25, each=True)
    return [
        paper(
            f"lambda_min of a sigmoid network grows like P ({window}, d = {sizes.dim} fixed)",
            partial(over, networks=("mlp-sigmoid",), others=("mlp-relu",)),
            linear,
        ),
        ours(f"So does that of products ({window})", partial(over, networks=PRODUCTS, others=TWINS), linear),
        paper(
            "In the paper's own shape, d-d-d-1, the slope in P nears 1 from above as P / N grows",
            partial(bent, ratios=sizes.square_ratios),
            Between(LAST, 0.9, 1.7) & Above(BENT, 1),
        ),
        ours(
            "At equal P the kernel of a product is better conditioned than that of its additive twin",
            partial(conditioned, dim=sizes.dim, ratio=sizes.ratios[-1]),
            Above(BETTER, 1, each=True).contradicted_if_reversed(),
            formula="lambda_min / lambda_max",
        ),
        paper(
            "lambda_min is 0 if P < N, up to rounding, and is not at P >= 4 N, but in networks with dead points, "
            f"where no unit has all factors positive ({DEAD:g} or more points expected)",
            partial(edge, sizes=sizes),
            Below(STORED, 1e-12, each=True) & Above(ENOUGH, 1e-8, each=True),
            formula="rank K <= P",
        ),
    ]


def memory_claims(sizes: Sizes) -> list[Claim]:
    """Of what Adam memorises, and of ranks."""
    adam = f"an error below {MEMORISED:g} after {sizes.steps} steps of Adam"
    ours = partial(Claim, where=OURS, formula=adam, seeds=sizes.seeds)
    return [
        Claim(
            "An MLP memorises labels that are noise from a small multiple of n parameters on, and none with fewer",
            partial(threshold, network="mlp-relu", labels=sizes.labels),
            Never(BELOW) & Below(FIRST, 8, each=True),
            *("its result on memorisation", adam, sizes.seeds),
        ),
        ours(
            f"A product memorises with fewer parameters than its additive twin (d = {sizes.trained_dims[0]})",
            partial(gain, sizes=sizes),
            Paired(GAIN, sign=-1).contradicted_if_reversed(),
        ),
        ours(
            "The rank of a product's NTK is what our formulas say, in every cell of a grid, and with ReLU bounded",
            formulas,
            Always(EQUAL) & Always(AT_MOST),
            formula="pnn, N >= 3: min(n, C(d+N-1, N), m (N (d-1) + 1)); all: docs/concepts/memorisation.md",
        ),
        ours(
            "Rank, not P, decides what a polynomial network memorises: with rank < n <= P it never memorises",
            partial(decided, networks=sizes.polynomials),
            (Never(LOST) & Always(HELD)).contradicted_if(Always(LOST)),
        ),
    ]


def point_claims(sizes: Sizes) -> list[Claim]:
    """Of lambda_min over the number of points, on the sphere and on images."""
    ours, (two, *others) = partial(Claim, where=OURS, seeds=sizes.seeds), sizes.limits
    return [
        Claim(
            "On the sphere lambda_min of the two-layer ReLU limit lies below the bound of the two nearest points, and "
            "falls in n between the powers of the bounds (to 10%, for logarithms)",
            partial(sphere, networks=(two,), beside=two),
            Always(UNDER) & Between(POWERS, 0.9, 2.2, each=True),
            "stated in a citing paper (arXiv 2405.14630)",
            *("n^(-4/(d-1)) < lambda_min <= K(0) - K(delta_min), near n^(-2/(d-1))", sizes.seeds),
        ),
        ours(
            "On the sphere products fall by the power of the two-layer network: they move the constant alone",
            partial(sphere, networks=others, beside=two),
            Always(UNDER) & Between(APART, -0.25, 0.25, each=True),
            formula="K(0) - K(delta) ~ delta",
        ),
        ours(
            f"On real pixels ({sizes.task}) lambda_min is no rounding, and falls as points come closer",
            pixels,
            Never(ROUNDING) & Below(POWER, 0, each=True),
            formula="lambda_min over n",
        ),
    ]


def growth(results: Results, networks: Sequence[str], others: Sequence[str], dim: int) -> Quantities:
    of, beside = ({name: slopes(results, name, dim=dim) for name in names} for names in (networks, others))
    return {SLOPE: {name: mean(each) for name, each in of.items()}, "each seed": of, "beside": beside}


def bent(results: Results, ratios: Sequence[float]) -> Quantities:
    made = windows(results, ratios)
    first, *_, last = made.values()
    return {LAST: last, BENT: mean(first) - mean(last), "all": made}


def conditioned(results: Results, dim: int, ratio: float) -> Quantities:
    made = {}
    for names in zip(PRODUCTS, TWINS, strict=True):
        both = (conditions(results.of(smallest, network=name, dim=dim, ratio=ratio)) for name in names)
        made[names[0]] = [product / twin for product, twin in zip(*both, strict=True)]
    return {BETTER: made}


def edge(results: Results, sizes: Sizes) -> Quantities:
    few: dict[str, float] = {}
    enough: dict[str, float] = {}
    beside: dict[str, str] = {}
    for (network, ratio), of in results.of(smallest, dim=0).split("network", "ratio").items():
        if ratio < 1:
            few[network] = max(abs(r.at("stored")) / r.at("max") for r in of)
        elif ratio >= 4 and expected_dead(network, sizes.square_samples, of.items[0].at("width")) < DEAD:
            enough[network] = min(enough.get(network, math.inf), *conditions(of))
        elif network in sizes.edge_networks:
            zeros, most = sum(of.values("noise")), max(conditions(of))
            beside[f"{network}, {ratio:g} N"] = f"0 in {zeros} of {len(of)}" + (
                f", at most {most:.0e}" if most > 1e-20 else ""
            )
    return {STORED: few, ENOUGH: enough, "P = 2 N, or dead points": beside}


def gain(results: Results, sizes: Sizes) -> Quantities:
    made = {}
    for network in (*sizes.tuned, "mlp-relu"):
        rows = runs(results.of(memorise, network=network, samples=sizes.labels, dim=sizes.trained_dims[0]))
        made[network] = [least([row for row in rows if row["seed"] == seed]) for seed in range(sizes.seeds)]
    net, twin = (made[network] for network in sizes.tuned)
    return {GAIN: [math.log2(a / b) for a, b in zip(net, twin, strict=True)], AT: made}


def formulas(results: Results) -> Quantities:
    exact: list[bool] = []
    bounded: list[bool] = []
    attained = {}
    for network, of in results.of(ranks).split("network").items():
        pairs = [pair for r in of for pair in zip(r.at("rank"), r.at("predicted"), strict=True)]
        if network.endswith("none"):
            exact += [seen == predicted for seen, predicted in pairs]
        else:
            bounded += [seen <= predicted for seen, predicted in pairs]
            attained[network] = [seen == predicted for seen, predicted in pairs]
    return {EQUAL: exact, AT_MOST: bounded, "attained with ReLU": attained}


def sphere(results: Results, networks: Sequence[str], beside: str) -> Quantities:
    under, of = [], {}
    for (network, d), part in results.of(on_sphere).split("network", "dim").items():
        under += [r.at("min") <= r.at("bound") + r.at("error") for r in part if network in networks]
        of[network, d] = [log_slope(s.by("samples"), s.values("min")) for s in part.split("seed").values()]
    ours = {f"{name}, d = {d}": (each, d) for (name, d), each in of.items() if name in networks}
    powers = {name: mean(each) * (1 - d) / 2 for name, (each, d) in ours.items()}
    apart = {name: mean(each) - mean(of[beside, d]) for name, (each, d) in ours.items()}
    return {UNDER: under, POWERS: powers, APART: apart, POWER: {name: each for name, (each, _) in ours.items()}}


def pixels(results: Results) -> Quantities:
    powers, last = {}, {}
    for network, of in results.of(on_pixels).split("network").items():
        powers[network] = [log_slope(s.by("samples"), s.values("min")) for s in of.split("seed").values()]
        last[network] = conditions(list(of.split("samples").values())[-1])
    return {ROUNDING: results.of(on_pixels).values("noise"), POWER: powers, "lambda_min / lambda_max, all points": last}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    sigmoid, dim = mean(slopes(results, "mlp-sigmoid", dim=sizes.dim)), sizes.trained_dims[0]
    products = [mean(slopes(results, name, dim=sizes.dim)) for name in PRODUCTS]
    better = [mean(each) for each in conditioned(results, sizes.dim, sizes.ratios[-1])[BETTER].values()]
    product, twin, mlp = (mean(each) for each in gain(results, sizes)[AT].values())
    equal, floor = formulas(results)[EQUAL], decided(results, sizes.polynomials)[FLOOR]
    return [
        f"The smallest eigenvalue of the NTK grows with the number of parameters P as P^{sigmoid:.2f} in a sigmoid "
        f"network, as P^{min(products):.2f} to P^{max(products):.2f} in products, from P / N = {sizes.ratios[0]:g} on.",
        f"At equal P a product's kernel is {min(better):.1f} to {max(better):.1f} times as well conditioned as that of "
        "its additive twin.",
        f"Adam memorises {sizes.labels} labels that are noise, in R^{dim}, from P = {mlp:.1f} times their number on in "
        f"an MLP (at one rate), from {product:.1f} in a product of degree 2, from {twin:.1f} in its twin "
        "(at the best of three).",
        f"What a polynomial network can memorise is limited by the rank of its NTK, which follows closed formulas "
        f"({sum(equal)} of {len(equal)} cells): with rank < n <= P the error was {floor:.3g} or more.",
    ]
