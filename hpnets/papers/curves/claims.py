"""The claims of the study of two curves."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from hpnets.papers.curves.cells import decay, shape, trained
from hpnets.papers.curves.sizes import Sizes
from hpnets.papers.parts.curve_kernels import MEAN, SURE, Network, even, evens, gaps
from hpnets.papers.parts.labelled_curves import PLAIN
from hpnets.statistics import mean, mean_slope
from hpnets.study import Above, Below, Between, Claim, Falls, Less, Paired, Results, paired_difference

Quantities = dict[str, Any]
DEEP, CUSP = "half-width * L, L >= 20", "slope * 2 pi / (L + 1)"
ROUND, BLUNT = "half-width * N^1/2, N >= 16", "slope * pi"
FALL, STEPS, SOON, LATE = "fall of |g| at unit diagonal", "steps, sinusoids", "steps, L >= 20", "steps, L = 2"
OFF, AFTER, ALIKE = "error at the greatest width", "held-out error in %", "|g| over that of pnn"
GAP, FELL = "pnn less its twin", "log2 of the fall of |g| at unit diagonal"
ABSTRACT, OURS = "abstract: depth is a fitting resource; the statement is ours", "a question of our own"
FINE, SYSTEM, DESCENT = "fourier-10", "K g = zeta", "f_s = K (1 - (1 - K / (2 l_max))^s) K^-1 y"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*depth_claims(sizes), *degree_claims(sizes), *sample_claims(sizes), *image_claims(sizes)]


def depth_claims(sizes: Sizes) -> list[Claim]:
    """Of depth, of the kernel and of finite networks."""
    first, last, width = sizes.depths[1], sizes.depths[-1], sizes.widths[-1]
    return [
        Claim(
            "Depth narrows the kernel, half of whose fall is done at an angle of order 1 / L, and its cusp grows",
            partial(narrows, network="mlp", power=1, cusp=lambda L: 2 * math.pi / (L + 1), names=(DEEP, CUSP)),
            Between(DEEP, 3.4, 4.3, each=True) & Between(CUSP, 0.99, 1.01, each=True),
            *(ABSTRACT, "v L -> 3 pi (u - 1) = 4.21, 3 u^3 = 2 (u^2 + u + 1); k(v) = 1 - (L + 1) v / (2 pi) + .."),
        ),
        Claim(
            f"Labels have a smaller certificate the deeper the network (L = {first} to {last}), also at unit diagonal",
            partial(falls, network="mlp", first=first),
            Above(FALL, 1.6, each=True).contradicted_if(Below(FALL, 1, each=True)),
            *(ABSTRACT, SYSTEM),
        ),
        Claim(
            "Depth takes steps away: descent on the kernel is right on all held-out points of the sinusoids soon",
            depth_steps,
            Between(SOON, 1, 5, each=True) & Above(LATE, 29),
            *(ABSTRACT, DESCENT),
        ),
        Claim(
            f"The kernel of a finite network has the shape of psi (L = 5, width {width})",
            finite,
            Below(OFF, 0.05, each=True),
            *(ABSTRACT, "root mean square of K_ij / (K_ii K_jj)^1/2 - psi_ij / psi(0)", sizes.seeds),
        ),
        Claim(
            f"Networks of L = 6, width {sizes.width} make no held-out error on circles 0.4 apart ({sizes.steps} steps)",
            lambda results: {AFTER: results.of(trained, network="mlp").values("error")},
            Between(AFTER, 0, 0, each=True),
            *(ABSTRACT, "descent on 1/(2N) sum (f - y)^2 at 1 / (2 l_max)", sizes.seeds),
        ),
    ]


def degree_claims(sizes: Sizes) -> list[Claim]:
    """Of the degree of a product beside depth, on the sphere and at even points."""
    most, deepest = sizes.degrees[-1], sizes.depths[-1]
    fine, deep = f"median steps of pnn, N = {most}", f"median steps of mlp, L = {deepest}"
    return [
        Claim(
            "A product's kernel narrows with its degree as N^-1/2 only, and its cusp stays below 1 / pi",
            partial(narrows, network="pnn", power=0.5, cusp=lambda N: math.pi, names=(ROUND, BLUNT)),
            Between(ROUND, 1.06, 1.29, each=True) & Below(BLUNT, 1, each=True),
            *(OURS, "v N^1/2 -> (2 log 2)^1/2 = 1.18; k(v) = 1 - N v / (pi (N + 1)) + .."),
        ),
        Claim(
            f"Degree is a resource as depth is: certificates fall from N = 4 to {most}, and steps with N",
            lambda results: {**falls(results, "pnn", 4), STEPS: evens(results, "pnn", PLAIN[1], "steps")},
            Above(FALL, 1.6, each=True) & Falls(STEPS, "N"),
            *(OURS, SYSTEM),
        ),
        Claim(
            "A skip makes less of a degree: pnn_skip of N = 32 is as pnn of 8, of 1 + 0.2176 (N - 1) = 7.7",
            skip,
            Between(ALIKE, 0.95, 1.05, each=True),
            *(OURS, "P -> (1 + 2 / (2 pi)^1/2 + P / 2) / (3 / 2 + 2 / (2 pi)^1/2)"),
        ),
        Claim(
            "On finer curves (Fourier, D = 10) degree takes steps away where depth adds some (inf: more than 1,000)",
            partial(fine_steps, ends={fine: ("pnn", most), LATE: ("mlp", 2), deep: ("mlp", deepest)}),
            Less(fine, deep, 10) & Less(LATE, deep),
            *(OURS, DESCENT, sizes.seeds),
        ),
    ]


def sample_claims(sizes: Sizes) -> list[Claim]:
    """Of random points."""
    formula = "held-out error in % at t = infinity, a difference for each draw"

    def sample(says: str, *pair: Network, above: float = 2) -> Claim:
        statistic = partial(gaps, curves=sizes.random_curves, pair=pair)
        criterion = Above(SURE, above, each=True).contradicted_if(Below(SURE, -2, each=True))
        return Claim(says, statistic, criterion, OURS, formula, sizes.draws)

    low, high, least = sizes.random_depths[0], sizes.random_depths[-1], sizes.random_degrees[0]
    return [
        sample(f"Depth hurts between irregular samples: L = {high} errs more than {low}", ("mlp", high), ("mlp", low)),
        sample("A moderate degree hurts less: L = 10 errs more than a product of N = 4", ("mlp", 10), ("pnn", 4)),
        sample(f"It does not hurt at all: N = 4 errs no more than N = {least}", ("pnn", least), ("pnn", 4), above=-2),
        sample("The product generalises better than its additive twin, which errs more", ("pnn-sum", 4), ("pnn", 4)),
        Claim(
            f"Trained for {sizes.tuned_steps} steps, pnn of N = 4 (width {sizes.tuned_width}) errs less than its twin",
            trained_gap,
            Paired(GAP, sign=-1).contradicted_if_reversed(),
            *(OURS, "held-out error in %, random points, each at its best rate", sizes.seeds),
        ),
    ]


def image_claims(sizes: Sizes) -> list[Claim]:
    """Of images shifted around."""
    name, most = sizes.shifts, sizes.degrees[-1]
    ends = {"mlp": f"depth (L = {sizes.depths[1]} to {sizes.depths[-1]})", "pnn": f"degree (N = 4 to {most})"}
    gap = partial(gaps, curves=(name,), pair=(("mlp", 10), ("pnn", 4)))
    return [
        *(
            Claim(
                f"On images shifted around ({sizes.task}) {what} makes the certificate smaller too",
                partial(image_falls, curve=name, network=network, first=first),
                Paired(FELL).contradicted_if_reversed(),
                *(OURS, SYSTEM, sizes.seeds),
            )
            for (network, what), first in zip(ends.items(), (sizes.depths[1], 4), strict=True)
        ),
        Claim(
            f"Between {sizes.few_shifts} random shifts of an image, too, L = 10 errs more than a product of N = 4",
            gap,
            Above(SURE, 2, each=True).contradicted_if(Below(SURE, -2, each=True)),
            *(OURS, "held-out error in % at t = infinity, a pair of images for each draw", sizes.draws),
        ),
    ]


def image_falls(results: Results, curve: str, network: str, first: int) -> Quantities:
    of = results.of(even, network=network, curve=curve).by("size", "unit")
    fell = [math.log2(a / b) for a, b in zip(of[first], of[max(of)], strict=True)]
    return {FELL: fell, "|g| at unit diagonal, median": evens(results, network, curve, "unit")}


def narrows(
    results: Results, network: str, power: float, cusp: Callable[[int], float], names: tuple[str, str]
) -> Quantities:
    of = results.of(decay, network=network).split("size")
    times = {n: part.one("half_width") * n**power for n, part in of.items()}
    slopes = {n: part.one("slope") * cusp(n) for n, part in of.items()}
    return {names[0]: {n: v for n, v in times.items() if n >= 16}, "all": times, names[1]: slopes}


def falls(results: Results, network: str, first: int) -> Quantities:
    unit, raw = ({c: evens(results, network, c, key) for c in PLAIN} for key in ("unit", "raw"))
    fall, of_raw = ({c: each[first] / each[max(each)] for c, each in norms.items()} for norms in (unit, raw))
    return {FALL: fall, "raw": of_raw, **{f"|g| at unit diagonal, {c}": each for c, each in unit.items()}}


def depth_steps(results: Results) -> Quantities:
    steps = evens(results, "mlp", PLAIN[1], "steps")
    return {SOON: {n: v for n, v in steps.items() if n >= 20}, LATE: steps[2], "all": steps}


def finite(results: Results) -> Quantities:
    errors, relative = (results.of(shape).by("width", key) for key in ("error", "relative"))
    return {OFF: errors[max(errors)], "by width": errors, "slope": mean_slope(errors), "over |psi|": relative}


def skip(results: Results) -> Quantities:
    norms = {c: [evens(results, name, c, "unit")[n] for name, n in (("pnn_skip", 32), ("pnn", 8))] for c in PLAIN}
    return {ALIKE: {c: a / b for c, (a, b) in norms.items()}, "|g| at unit diagonal": norms}


def fine_steps(results: Results, ends: dict[str, Network]) -> Quantities:
    steps = {net: evens(results, net, FINE, "steps") for net in ("pnn", "mlp")}
    return {**{name: steps[net][size] for name, (net, size) in ends.items()}, **steps}


def trained_gap(results: Results) -> Quantities:
    net, twin = (results.of(trained, network=name) for name in ("pnn", "pnn-sum"))
    gap = paired_difference(net, twin, measure=("error",))
    return {GAP: gap.differences, "that is": str(gap)}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    first, last, most, curve = sizes.depths[1], sizes.depths[-1], sizes.degrees[-1], PLAIN[1]
    deep, high = (falls(results, net, n)[FALL][curve] for net, n in (("mlp", first), ("pnn", 4)))
    steps = evens(results, "mlp", curve, "steps")
    deeper, product = (evens(results, network, FINE, "steps") for network in ("mlp", "pnn"))
    grown = f"{deeper[last]:g}" if math.isfinite(deeper[last]) else "more than 1,000"
    many, gap = sizes.random_depths[-1], -mean(trained_gap(results)[GAP])
    pairs = (("mlp", many), ("mlp", 2)), (("mlp", 10), ("pnn", 4)), (("pnn", 4), ("pnn-sum", 4))
    hurt, less, twin = (gaps(results, (curve,), pair)[MEAN][curve] for pair in pairs)
    return [
        f"Depth is a resource on even points of curves: from L = {first} to {last} the certificate of sinusoids falls "
        f"{deep:.2g}-fold at unit diagonal, and {steps[first]:g} steps to no held-out error become {steps[last]:g}.",
        f"So is the degree of a Hadamard product, {high:.2g}-fold from N = 4 to {most}, and on fine curves in R^10 it "
        f"takes steps away, {product[2]:g} to {product[most]:g}, where depth adds some, {deeper[2]:g} to {grown}.",
        "Between random samples both narrow the kernel too far, and depth, whose cusp grows with it, the more: on "
        f"sinusoids L = {many} errs {hurt:.2g} points more than 2, and L = 10 {less:.2g} more than a product of N = 4.",
        f"The product's additive twin, a kernel of two layers, errs {twin:.2g} points less still, but late: in "
        f"{sizes.tuned_steps} steps trained networks of N = 4 err {gap:.2g} points less than their twins.",
    ]
