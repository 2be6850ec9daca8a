"""The claims of the study of learning-rate transfer; rates and their ranges in octaves, sharpness in decades."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.lr_transfer.cells import dense, linear
from hpnets.papers.lr_transfer.sizes import PRODUCTS, Sizes
from hpnets.papers.transfer_measures import RATES, best, growth, has, late, of_way, rates, rise, span, spread
from hpnets.statistics import log_slope, mean
from hpnets.study import Above, Below, Between, Claim, Paired, Results

Quantities = dict[str, Any]
RANGE, RISE, SPREAD, NTK = "range of the best rates", "rise under ntk", "spread", "spread under ntk"
KERNEL, GROWN = "kernel's spread over sharpness's", "decades, a = 0"
FALL, HALF, ONE = "range, a = 0", "range, a = 1/2", "range, a = 1"
TWIN, TWIN_ONE, PART = "range of the twin, a = 1/2", "range of the twin, a = 1", "residual share, product less twin"
SHARE, MU, FLAT, ERROR = "Gauss-Newton share, late", "slope of R at the start, mup", "the same, ntk", "relative error"
LESS, MEAN_HALF, MEAN_ONE = "rise under ntk, MLP less product", "decades, a = 1/2", "decades, a = 1"
OURS, BODY = "asked of products by us", "its study of sharpness and transfer"
D, ETA = "largest eigenvalue of D^1/2 H D^1/2", "rate of the least late training loss"
SAME = 1.0  # "+-1 grid point" of half octaves
SCALED = {"a = 0": "mup", "a = 1/2": "depth_mup", "a = 1": "completep"}


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*width_claims(sizes), *depth_claims(sizes), *product_claims(sizes)]


def width_claims(sizes: Sizes) -> list[Claim]:
    """Of additive networks over the width, and of the measurement."""
    paper, same = partial(Claim, where=BODY, seeds=sizes.seeds), Between(RANGE, 0, SAME)
    mlp, ntk, adam = ("mlp", "mup", "sgd"), ("mlp", "ntk", "sgd"), ("mlp", "mup", "adam")
    return [
        paper(
            "Late sharpness is the same at every width under mup, and is not under ntk (MLP, cross-entropy, SGD)",
            lambda r: {SPREAD: spread(r, mlp), NTK: spread(r, ntk)},
            Below(SPREAD, 0.08) & Above(NTK, 0.12),
            formula=D,
        ),
        paper(
            "The best rate is the same at every width under mup, and rises fourfold or more under ntk (MLP, SGD)",
            lambda r: {RANGE: span(r, mlp), RISE: rise(r, ntk), **rates(r, mlp, ntk)},
            same & Above(RISE, 1.99),
            formula=ETA,
        ),
        paper(
            "Under Adam too, where the sharpness is that of the preconditioned Hessian (MLP, mup, cross-entropy)",
            lambda r: {RANGE: span(r, adam), SPREAD: spread(r, adam), **rates(r, adam)},
            same & Below(SPREAD, 0.08),
            formula=D,
        ),
        paper(
            "The kernel's largest eigenvalue is less consistent over the width than sharpness (MLP, mup, SGD)",
            lambda r: {KERNEL: mean(spread(r, mlp, "kernel")) / mean(spread(r, mlp)), SPREAD: spread(r, mlp)},
            Above(KERNEL, 1),
            formula="largest eigenvalue of J D J^T / n",
        ),
        paper(
            "In a linear network the residual part starts at one size at every width under mup, as n^-1/2 under ntk",
            lambda r: {MU: residual_slope(r, "mup"), FLAT: residual_slope(r, "ntk")},
            Between(MU, -0.1, 0.1) & Between(FLAT, -0.6, -0.35),
            formula="H = G + R, f = V W x, squared error",
        ),
        paper(
            "The sharpness by Lanczos is that of the dense Hessian (an MLP of 210 parameters)",
            lambda r: {ERROR: r.of(dense).values("error")},
            Below(ERROR, 1e-3, each=True),
            formula="largest eigenvalue of H",
        ),
    ]


def depth_claims(sizes: Sizes) -> list[Claim]:
    """Of residual MLPs over the depth."""
    paper = partial(Claim, where=BODY, seeds=sizes.seeds)
    plain, half = (("resmlp-1", SCALED[a], "sgd") for a in ("a = 0", "a = 1/2"))
    return [
        paper(
            "With branches times L^-1/2 late sharpness is the same at every depth; as they are, it explodes at once",
            lambda r: {SPREAD: spread(r, half), GROWN: growth(r, plain)},
            Below(SPREAD, 0.25) & Above(GROWN, 3),
            formula=D,
        ),
        paper(
            "With branches times L^-1/2 the best rate is the same at every depth; as they are, it falls (k = 1, SGD)",
            lambda r: {FALL: span(r, plain), HALF: span(r, half), **rates(r, plain, half)},
            Above(FALL, 3) & Between(HALF, 0, SAME),
            formula=ETA,
        ),
        paper(
            "With k = 2 layers a block the best rate moves over an octave at a = 1/2, and not at a = 1 (SGD, Adam)",
            two_layers,
            Above(HALF, SAME) & Between(ONE, 0, SAME, each=True),
            formula=ETA,
        ),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of products over width and degree."""
    ours = partial(Claim, where=OURS, seeds=sizes.seeds)
    products = [name for name in PRODUCTS if name in sizes.wide] + [n for n in sizes.images if not n.endswith("-sum")]
    adam = [name for name in sizes.adam if name in products]
    every = partial(over_width, networks=products, optimizer="sgd")
    return [
        ours(
            "The best rate of products is the same at every width under mup (SGD)",
            every,
            Between(RANGE, 0, SAME, each=True),
            formula=ETA,
        ),
        ours(
            "So it is under Adam",
            partial(over_width, networks=adam, optimizer="adam"),
            Between(RANGE, 0, SAME, each=True),
            formula=ETA,
        ),
        ours(
            "Under ntk the best rate of products rises less than the MLP's (SGD)",
            lambda r: {LESS: {n: rise(r, ("mlp", "ntk", "sgd")) - rise(r, (n, "ntk", "sgd")) for n in wide(sizes)}},
            Above(LESS, 0, each=True),
            formula=ETA,
        ),
        ours(
            "Late sharpness of products is as consistent over the width under mup as the MLP's must be (SGD)",
            lambda r: {SPREAD: {n: mean(spread(r, (n, "mup", "sgd"))) for n in products}, **twins(r, products)},
            Below(SPREAD, 0.08, each=True),
            formula=D,
        ),
        ours(
            "At the start more of a product's top eigenvalue is residual than of its twin's (mup)",
            partial(parts, networks=products),
            Paired(PART).contradicted_if_reversed(),
            formula="v^T R v / lambda, v the top eigenvector",
        ),
        ours(
            "Late it is Gauss-Newton's in all of them",
            lambda r: {SHARE: {n: mean(late(r, (n, "mup", "sgd"), "share")) for n in products}},
            Between(SHARE, 0.95, 1.05, each=True),
            formula="v^T G v / lambda",
        ),
        *degree_claims(sizes),
    ]


def degree_claims(sizes: Sizes) -> list[Claim]:
    """Of the degree as depth: y_n = y_(n-1) + L^-a (U_n x) * y_(n-1)."""
    ours = partial(Claim, where=OURS, seeds=sizes.seeds)
    deep = [
        ours(
            "Degree is depth: a product of factors of mean 0 keeps its best rate at every degree with branches times "
            "L^-1/2, where its additive twin needs 1 / L",
            degrees,
            Above(FALL, 3) & Between(HALF, 0, SAME) & Above(TWIN, 2) & Between(TWIN_ONE, 0, SAME),
            formula="(1 + L^-a)^L of the twin; E (1 + L^-a u)^(2L), E u = 0, of the product",
        )
    ]
    means = ours(
        "A product of factors with a mean (ReLU) needs 1 / L: at L^-1/2 its sharpness at the start grows with degree",
        lambda r: {name: growth(r, ("deepskip", kind, "sgd")) for name, kind in GROWS.items()},
        Above(MEAN_HALF, 0.5) & Between(MEAN_ONE, -0.3, 0.3),
        formula="(1 + L^-a E s)^L",
    )
    return [*deep, means] if "deepskip" in sizes.deep else deep


GROWS = {MEAN_HALF: "depth_mup", MEAN_ONE: "completep"}


def wide(sizes: Sizes) -> list[str]:
    return [name for name in PRODUCTS if name in sizes.wide]


def residual_slope(results: Results, kind: str) -> float:
    of = results.of(linear, kind=kind).by("size", "rows", 0, "residual")
    return log_slope(of, map(mean, of.values()))


def two_layers(results: Results) -> Quantities:
    ways = {o: [("resmlp-2", SCALED[a], o) for a in ("a = 1/2", "a = 1")] for o in ("sgd", "adam")}
    kept = {o: each for o, each in ways.items() if has(results, each[0])}
    made: Quantities = {HALF: {o: span(results, h) for o, (h, _) in kept.items()}}
    made |= {ONE: {o: span(results, one) for o, (_, one) in kept.items()}}
    return made | rates(results, *(way for each in kept.values() for way in each))


def over_width(results: Results, networks: Sequence[str], optimizer: str) -> Quantities:
    ways = {name: (name, "mup", optimizer) for name in networks}
    pairs = {name: (f"{name}-sum", "mup", optimizer) for name in networks}
    made: Quantities = {RANGE: {name: span(results, way) for name, way in ways.items()}}
    made["of the twins"] = {name: span(results, way) for name, way in pairs.items() if has(results, way)}
    return made | {RATES: {name: list(best(results, way).values()) for name, way in ways.items()}}


def twins(results: Results, networks: Sequence[str]) -> Quantities:
    return {"of the twins": {n: mean(spread(results, (f"{n}-sum", "mup", "sgd"))) for n in networks}}


def parts(results: Results, networks: Sequence[str]) -> Quantities:
    made, each = list[float](), dict[str, float]()
    for name in networks:
        pair = (of_way(results, "tracked", (n, "mup", "sgd")).split("seed") for n in (name, f"{name}-sum"))
        shares = [[mean(r.at("rows", 0, "share") for r in runs) for runs in seeds.values()] for seeds in pair]
        gaps = [twin - net for net, twin in zip(*shares, strict=True)]
        each[name], made = mean(gaps), made + gaps
    return {PART: made, "by network": each}


def degrees(results: Results) -> Quantities:
    ways = {FALL: ("deep", "a = 0"), HALF: ("deep", "a = 1/2"), ONE: ("deep", "a = 1")}
    ways |= {TWIN: ("deep-sum", "a = 1/2"), TWIN_ONE: ("deep-sum", "a = 1")}
    full = {key: (name, SCALED[a], "sgd") for key, (name, a) in ways.items()}
    return {**{key: span(results, way) for key, way in full.items()}, **rates(results, *full.values())}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    mlp, ntk = ("mlp", "mup", "sgd"), ("mlp", "ntk", "sgd")
    widths, products = f"{sizes.widths[0]} to {sizes.widths[-1]}", wide(sizes)
    ranges = [span(results, (name, "mup", "sgd")) for name in products]
    rises = [rise(results, (name, "ntk", "sgd")) for name in products]
    of = degrees(results)
    return [
        f"From width {widths} the best rate of an MLP under mup stays within {span(results, mlp):g} octaves, and rises "
        f"by {rise(results, ntk):g} under ntk, while its late sharpness spreads by {mean(spread(results, mlp)):.2g} "
        f"and {mean(spread(results, ntk)):.2g} decades.",
        f"Under mup that of networks that multiply stays within {max(ranges):g} octaves, and rises by {min(rises):g} "
        f"to {max(rises):g} under ntk.",
        f"Degree is a depth: with branches as they are the best rate of a product falls by {of[FALL]:g} octaves from "
        f"L = {sizes.branches[0]} to {sizes.branches[-1]}, and moves by {of[HALF]:g} with branches times L^-1/2.",
        f"Its additive twin, whose branches hold the stream itself, moves by {of[TWIN]:g} octaves there, and by "
        f"{of[TWIN_ONE]:g} with branches times 1 / L.",
    ]
