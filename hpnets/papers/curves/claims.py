"""The claims of the study of two curves."""

import math
from collections.abc import Mapping
from functools import partial, reduce
from operator import and_
from typing import Any

from hpnets.papers.curves.cells import PLAIN, decay, even, irregular, random_curves, shape, trained
from hpnets.papers.curves.sizes import Sizes
from hpnets.statistics import estimate, mean, mean_slope
from hpnets.study import (
    Above,
    Below,
    Between,
    Claim,
    Criterion,
    Falls,
    Paired,
    PairedDifference,
    Results,
    labelled,
    paired_difference,
)

Quantities = dict[str, Any]
DEEP, NARROW, CUSP = "half-width * L, L >= 20", "half-width * N^1/2, N >= 16", "slope * 2 pi / (L + 1)"
FALL, STEPS, SOON, LATE = "fall of |g|, unit diagonal", "steps, sinusoid", "steps, L >= 20", "steps, L = 2"
OFF, FIRST, GAP = "error at the greatest width", "first step without an error", "error of pnn less that of its twin"
ABSTRACT, OURS = "of the abstract's claim that depth is a resource; the statement is ours", "a question of our own"
PAIRED = "held-out error in % at t = infinity, of each draw"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*depth_claims(sizes), *network_claims(sizes), *degree_claims(sizes), *sample_claims(sizes)]


def depth_claims(sizes: Sizes) -> list[Claim]:
    """Of the kernel's depth."""
    depth, first, last = partial(Claim, where=ABSTRACT), sizes.depths[1], sizes.depths[-1]
    return [
        depth(
            "The kernel falls faster the deeper the network: half of its fall is done at an angle of order 1 / L",
            partial(half_widths, network="mlp", power=1, least=20, name=DEEP),
            Between(DEEP, 3.4, 4.3, each=True),
            formula="v L -> 3 pi (u - 1) = 4.21, 3 u^3 = 2 (u^2 + u + 1)",
        ),
        depth(
            "It has a cusp at 0, which grows with the depth",
            lambda results: {CUSP: {n: 2 * math.pi * c / (n + 1) for n, c in decays(results, "mlp", "slope").items()}},
            Between(CUSP, 0.99, 1.01, each=True),
            formula="k(v) = 1 - (L + 1) v / (2 pi) + ..",
        ),
        depth(
            f"Labels have a smaller certificate the deeper the network (L = {first} to {last}), also at unit diagonal",
            partial(certificates, network="mlp", first=first),
            Above(FALL, 1.6, each=True).contradicted_if(Below(FALL, 1, each=True)),
            formula="K g = zeta",
        ),
        depth(
            "Depth takes steps away: descent on the kernel is right on all held-out points of the sinusoids soon",
            depth_steps,
            Between(SOON, 1, 5, each=True) & Above(LATE, 29),
            formula="f_s = K (1 - (1 - K / (2 l_max))^s) K^-1 y",
        ),
    ]


def network_claims(sizes: Sizes) -> list[Claim]:
    """Of finite networks."""
    net = partial(Claim, where=ABSTRACT, seeds=sizes.seeds)
    return [
        net(
            f"The kernel of a finite network has the shape of psi (L = 5, width {sizes.widths[-1]})",
            finite,
            Below(OFF, 0.05, each=True),
            formula="|K / tr K - psi / tr psi| / |psi / tr psi|",
        ),
        net(
            f"Networks of L = 6, width {sizes.width} err on no held-out point of circles 0.4 apart in {sizes.steps} steps",
            lambda results: {FIRST: list(map(number, results.of(trained, network="mlp").values("first")))},
            Between(FIRST, 1, sizes.steps, each=True),
            formula="descent on 1/(2N) sum (f - y)^2 at 1 / (2 l_max)",
        ),
    ]


def degree_claims(sizes: Sizes) -> list[Claim]:
    """Of the degree of a product beside depth, on the sphere and at even points."""
    degree = partial(Claim, where=OURS)
    return [
        degree(
            "A product's kernel narrows with its degree as N^-1/2 only, and its cusp stays below 1 / pi",
            degree_decay,
            Between(NARROW, 1.06, 1.29, each=True) & Below("slope * pi", 1, each=True),
            formula="v N^1/2 -> (2 log 2)^1/2 = 1.18; k(v) = 1 - N v / (pi (N + 1)) + ..",
        ),
        degree(
            f"Degree is a resource as depth is: certificates fall from N = 4 to {sizes.degrees[-1]}, and so do steps",
            degree_falls,
            Above(FALL, 1.6, each=True) & Falls(STEPS, "N"),
            formula="K g = zeta",
        ),
    ]


def sample_claims(sizes: Sizes) -> list[Claim]:
    """Of random points."""
    sample = partial(Claim, where=OURS, formula=PAIRED, seeds=sizes.draws)
    low, high = sizes.irregular_depths[0], sizes.irregular_depths[-1]
    more, less = (all_of(Paired(curve, sign=sign) for curve in random_curves(sizes)) for sign in (1, -1))
    return [
        sample(
            f"Depth hurts between irregular samples: L = {high} errs more than L = {low}",
            partial(gaps, sizes=sizes, first=("mlp", high), second=("mlp", low)),
            more.contradicted_if(less),
        ),
        sample(
            "Moderate degree does not: a product of N = 4 errs less than depth L = 10",
            partial(gaps, sizes=sizes, first=("mlp", 10), second=("pnn", 4)),
            more.contradicted_if(less),
        ),
        sample(
            "It is the product that helps: the additive twin of N = 4, a kernel of two layers, errs more",
            partial(gaps, sizes=sizes, first=("pnn-sum", 4), second=("pnn", 4)),
            more.contradicted_if(less),
        ),
        Claim(
            f"So it is of trained networks: pnn of N = 4, width {sizes.width}, errs less on the sinusoids than its twin",
            lambda results: {GAP: trained_gap(results).differences, "that is": str(trained_gap(results))},
            Paired(GAP, sign=-1).contradicted_if_reversed(),
            *(OURS, f"held-out error in % after {sizes.tuned_steps} steps, each at its best rate", sizes.seeds),
        ),
    ]


def all_of(criteria: Any) -> Criterion:
    """All of them hold."""
    return reduce(and_, criteria)


def number(steps: int | None) -> float:
    """Steps, infinitely many for None."""
    return math.inf if steps is None else float(steps)


def decays(results: Results, network: str, key: str) -> dict[int, float]:
    """What `decay` measured, by depth or degree."""
    return {size: values[0] for size, values in results.of(decay, network=network).by("size", key).items()}


def evens(results: Results, network: str, curve: str, key: str) -> dict[int, float]:
    """What `even` measured on one of the plain curves, by depth or degree; infinite where there is none."""
    of = results.of(even, network=network, curve=curve, seed=0).by("size", key)
    return {size: number(values[0]) for size, values in of.items()}


def half_widths(results: Results, network: str, power: float, least: int, name: str) -> Quantities:
    times = {n: width * n**power for n, width in decays(results, network, "half_width").items()}
    return {
        name: {n: v for n, v in times.items() if n >= least},
        "below": {n: v for n, v in times.items() if n < least},
    }


def certificates(results: Results, network: str, first: int) -> Quantities:
    unit, raw = ({c: evens(results, network, c, key) for c in PLAIN} for key in ("unit", "raw"))
    made: Quantities = {FALL: {c: each[first] / each[max(each)] for c, each in unit.items()}}
    made["raw"] = {c: each[first] / each[max(each)] for c, each in raw.items()}
    return made | {f"|g|, {curve}": each for curve, each in unit.items()}


def depth_steps(results: Results) -> Quantities:
    steps = evens(results, "mlp", PLAIN[1], "steps")
    return {SOON: [v for n, v in steps.items() if n >= 20], LATE: steps[2], "all": labelled("L", steps)}


def finite(results: Results) -> Quantities:
    errors: Mapping[int, list[float]] = results.of(shape).by("width", "error")
    return {OFF: errors[max(errors)], "by width": labelled("n", errors), "slope": mean_slope(errors)}


def degree_decay(results: Results) -> Quantities:
    slopes = {n: math.pi * c for n, c in decays(results, "pnn", "slope").items()}
    return {**half_widths(results, "pnn", 0.5, 16, NARROW), "slope * pi": slopes}


def degree_falls(results: Results) -> Quantities:
    steps = {n: v for n, v in evens(results, "pnn", PLAIN[1], "steps").items() if n > 1}
    return {**certificates(results, "pnn", 4), STEPS: labelled("N", steps)}


def errors(results: Results, network: str, size: int, curve: str) -> list[float]:
    """The held-out errors of each draw of random points, in %."""
    drawn: list[float] = results.of(irregular, network=network, size=size, curve=curve).one("error")
    return drawn


def gaps(results: Results, sizes: Sizes, first: tuple[str, int], second: tuple[str, int]) -> Quantities:
    """The errors of the first network less those of the second, by curve."""
    made: Quantities = {}
    for curve in random_curves(sizes):
        pair = zip(errors(results, *first, curve), errors(results, *second, curve), strict=True)
        made[curve] = [a - b for a, b in pair]
    return made | {"standard errors of the means": {c: estimate(each) for c, each in made.items()}}


def trained_gap(results: Results) -> PairedDifference:
    """Of the trained pnn and its twin, each at its best rate."""
    nets = (results.of(trained, network=name) for name in ("pnn", "pnn-sum"))
    return paired_difference(*nets, measure=("error",))


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    fall, rise = (certificates(results, net, n) for net, n in (("mlp", sizes.depths[1]), ("pnn", 4)))
    hurt = gaps(results, sizes, ("mlp", sizes.irregular_depths[-1]), ("mlp", sizes.irregular_depths[0]))
    gain = gaps(results, sizes, ("mlp", 10), ("pnn", 4))
    return [
        f"Depth makes the kernel of a ReLU network narrow, and two curves easy to tell apart: {fall}",
        f"{rise}.",
        f"{hurt[PLAIN[1]]}.",
        f"{mean(gain[PLAIN[1]])}.",
    ]
