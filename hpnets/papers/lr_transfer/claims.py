"""The claims of the study of learning-rate transfer; rates and their ranges in octaves, sharpness in decades."""

from functools import partial
from typing import Any

from hpnets.papers.lr_transfer.sizes import PRODUCTS, Sizes
from hpnets.papers.parts import transfer_statistics as q
from hpnets.papers.parts.rate_measures import growth, late, means_by_setting, rates, residual_slope, rise, span, spread
from hpnets.statistics import mean
from hpnets.study import Above, Below, Between, Claim, Paired, Results

RISE, SPREAD, NTK, KERNEL = "rise under ntk", "spread", "spread under ntk", "kernel's spread over sharpness's"
SHARE, MU, FLAT, ERROR = "Gauss-Newton share, late", "slope of R at the start, mup", "the same, ntk", "relative error"
LESS, GROWN = "rise under ntk, MLP less product", "decades, a = 0"
MEAN_HALF, MEAN_ONE = "decades, a = 1/2", "decades, a = 1"
D, ETA = "largest eigenvalue of D^1/2 H D^1/2", "rate of the least late training loss"
SAME = 1.0  # "+-1 grid point" of half octaves
MUP, PLAIN, ADAM = ("mlp", "mup", "sgd"), ("mlp", "ntk", "sgd"), ("mlp", "mup", "adam")


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*width_claims(sizes), *depth_claims(sizes), *product_claims(sizes), *degree_claims(sizes)]


def width_claims(sizes: Sizes) -> list[Claim]:
    """Of additive networks over the width, and of the measurement."""
    paper, same = partial(Claim, where="its study of the width", seeds=sizes.seeds), Between(q.RANGE, 0, SAME)
    return [
        paper(
            "Late sharpness is the same at every width under mup, and is not under ntk, at every rate and number of "
            "samples tried (MLP, cross-entropy, SGD)",
            lambda r: {SPREAD: means_by_setting(r, "mup"), NTK: means_by_setting(r, "ntk")},
            Below(SPREAD, 0.08, each=True) & Above(NTK, 0.12, each=True),
            formula=D,
        ),
        paper(
            "The best rate is the same at every width under mup, and rises fourfold or more under ntk (MLP, SGD)",
            lambda r: {q.RANGE: span(r, MUP), RISE: rise(r, PLAIN), **rates(r, MUP, PLAIN)},
            same & Above(RISE, 1.99),
            formula=ETA,
        ),
        paper(
            "Under Adam too, where the sharpness is that of the preconditioned Hessian (MLP, mup, cross-entropy)",
            lambda r: {q.RANGE: span(r, ADAM), SPREAD: spread(r, ADAM), **rates(r, ADAM)},
            same & Below(SPREAD, 0.08),
            formula=D,
        ),
        paper(
            "The kernel's largest eigenvalue is less consistent over the width than sharpness (MLP, mup, SGD)",
            lambda r: {KERNEL: mean(spread(r, MUP, "kernel")) / mean(spread(r, MUP)), SPREAD: spread(r, MUP)},
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
            lambda r: {ERROR: r.of("dense").values("error")},
            Below(ERROR, 1e-3, each=True),
            formula="largest eigenvalue of H",
        ),
    ]


def depth_claims(sizes: Sizes) -> list[Claim]:
    """Of residual MLPs over the depth."""
    paper = partial(Claim, where="its study of the depth", seeds=sizes.seeds)
    plain, half = (("resmlp-1", q.SCALED[a], "sgd") for a in ("a = 0", "a = 1/2"))
    return [
        paper(
            "With branches times L^-1/2 late sharpness is the same at every depth; as they are, it explodes at once",
            lambda r: {SPREAD: spread(r, half), GROWN: growth(r, plain)},
            Below(SPREAD, 0.25) & Above(GROWN, 3),
            formula=D,
        ),
        paper(
            "With branches times L^-1/2 the best rate is the same at every depth; as they are, it falls (k = 1, SGD)",
            lambda r: {q.FALL: span(r, plain), q.HALF: span(r, half), **rates(r, plain, half)},
            Above(q.FALL, 3) & Between(q.HALF, 0, SAME),
            formula=ETA,
        ),
        paper(
            "With k = 2 layers a block the best rate moves over an octave at a = 1/2, and not at a = 1 (SGD, Adam)",
            q.two_layers,
            Above(q.HALF, SAME) & Between(q.ONE, 0, SAME, each=True),
            formula=ETA,
        ),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of products over width, asked by us."""
    dense, images = wide(sizes), [name for name in sizes.images if not name.endswith("-sum")]
    same = Between(q.RANGE, 0, SAME, each=True)
    adam = [name for name in sizes.adam if name in dense]

    def ours(says: str, statistic: Any, criterion: Any, formula: str = ETA) -> Claim:
        return Claim(says, statistic, criterion, "asked of products by us", formula, sizes.seeds)

    return [
        ours(
            "The best rate of products is the same at every width under mup (SGD)",
            q.over(dense + images, "sgd"),
            same,
        ),
        ours("So it is under Adam", q.over(adam, "adam"), same),
        ours(
            "Under ntk the best rate of products rises less than the MLP's (SGD)",
            lambda r: {LESS: {n: rise(r, PLAIN) - rise(r, (n, "ntk", "sgd")) for n in dense}},
            Above(LESS, 0, each=True),
        ),
        ours(
            "Late sharpness of products is as consistent over the width under mup as the MLP's must be (SGD)",
            lambda r: {
                SPREAD: q.spreads(r, dense),
                "of the twins": q.spreads(r, [f"{n}-sum" for n in dense]),
            },
            Below(SPREAD, 0.08, each=True),
            D,
        ),
        ours(
            "At the start more of a product's top eigenvalue is residual than of its twin's (mup)",
            lambda r: q.parts(r, dense),
            Paired(q.PART).contradicted_if_reversed(),
            "v^T R v / lambda, v the top eigenvector",
        ),
        ours(
            "Late it is Gauss-Newton's in all of them",
            lambda r: {SHARE: {n: mean(late(r, (n, "mup", "sgd"), "share")) for n in dense}},
            Between(SHARE, 0.95, 1.05, each=True),
            "v^T G v / lambda",
        ),
    ]


def degree_claims(sizes: Sizes) -> list[Claim]:
    """Of the degree as depth: y_n = y_(n-1) + L^-a (U_n x) * y_(n-1)."""
    ours = partial(Claim, where="asked of products by us", seeds=sizes.seeds)
    deep = ours(
        "Degree is depth: a product of factors of mean 0 keeps its best rate at every degree with branches times "
        "L^-1/2, where its additive twin needs 1 / L",
        q.degrees,
        Above(q.FALL, 3) & Between(q.HALF, 0, SAME) & Above(q.TWIN, 2) & Between(q.TWIN_ONE, 0, SAME),
        formula="(1 + L^-a)^L of the twin; E (1 + L^-a u)^(2L), E u = 0, of the product",
    )
    half, one = (("deepskip", q.SCALED[a], "sgd") for a in ("a = 1/2", "a = 1"))
    means = ours(
        "A product of factors with a mean (ReLU) needs 1 / L: at L^-1/2 its sharpness at the start grows with degree",
        lambda r: {MEAN_HALF: growth(r, half), MEAN_ONE: growth(r, one)},
        Above(MEAN_HALF, 0.5) & Between(MEAN_ONE, -0.3, 0.3),
        formula="(1 + L^-a E s)^L",
    )
    says = (
        "The draw of its units moves the best rate of degree 4, not a factor of the width: it stays where they are "
        "copies of the least network's, which the wide network follows exactly (mup, SGD)"
    )
    stays = Between(q.COPIES, 0, 0) & Above(q.RANGE, SAME)
    drawn = [ours(says, partial(q.copies, name=name), stays, formula=ETA) for name in sizes.copied]
    return [deep, *drawn, means] if "deepskip" in sizes.deep_followed else [deep, *drawn]


def wide(sizes: Sizes) -> list[str]:
    return [name for name in PRODUCTS if name in sizes.wide]


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    widths, products, of = f"{sizes.widths[0]} to {sizes.widths[-1]}", wide(sizes), q.degrees(results)
    spans = [span(results, (name, "mup", "sgd")) for name in products]
    late_spreads = [f"{mean(spread(results, way)):.2g}" for way in (MUP, PLAIN)]
    rises = [rise(results, (name, "ntk", "sgd")) for name in products]
    return [
        f"From width {widths} the best rate of an MLP under mup stays within {span(results, MUP):g} octaves, and rises "
        f"by {rise(results, PLAIN):g} under ntk, while its late sharpness spreads by "
        f"{' and '.join(late_spreads)} decades.",
        f"Under mup that of networks that multiply stays within {max(spans):g} octaves, and rises by {min(rises):g} "
        f"to {max(rises):g} under ntk.",
        f"Degree is a depth: with branches as they are the best rate of a product falls by {of[q.FALL]:g} octaves from "
        f"L = {sizes.branches[0]} to {sizes.branches[-1]}, and moves by {of[q.HALF]:g} with branches times L^-1/2.",
        f"Its additive twin, whose branches hold the stream itself, moves by {of[q.TWIN]:g} octaves there, and by "
        f"{of[q.TWIN_ONE]:g} with branches times 1 / L.",
    ]
