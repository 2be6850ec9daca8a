"""The claims of the study of complex networks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.complex_nets.cells import distance, gap, gap_of_limits, shifted
from hpnets.papers.complex_nets.sizes import HEAVY, OTHERS, PAIRED, REDUCING, Sizes
from hpnets.papers.parts.complex_learning import BOTH, CONJUGATE, HOLOMORPHIC, MODULUS, by_samples, trained
from hpnets.papers.parts.complex_witness import OFF, RISE, SPREAD, rise, sees, spreads
from hpnets.statistics import mean, mean_slope, median
from hpnets.study import Above, Below, Between, Claim, Falls, Less, Paired, Results, paired_difference

Quantities = dict[str, Any]
ERROR, SLOPE, CARDIOID = "error at the greatest width", "slope", "that of cardioid"
GAP, FALL, RATIO = "gap", "gap at the least width / at m = 512", "gap / that of the limits"
COMPLEX, REAL, FLOOR = "complex", "real", "errors of the complex product"
TWIN, SHIFT = "error less that of the twin", "accuracy less"
ABSTRACT, OURS = "abstract: the statement is ours", "a question of our own"
NTK, WITNESS = "|K_m - K| / |K| ~ m^-1/2", "w(s) = T(z, z') / T(z, z) at <z, z'> / d = 0.3 + is"
THRESHOLDS = {"none-mult": 0.5, "none-skip": 0.3, "split_relu-mult": 0.12}
Pair = tuple[str, str]


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*reduction_claims(sizes), *product_claims(sizes), *learning_claims(sizes)]


def reduction_claims(sizes: Sizes) -> list[Claim]:
    """Of one factor: which complex networks are real ones."""
    one = [name for name in sizes.networks if name.startswith("mlp") or name.endswith("-1")]
    return [
        Claim(
            "A complex network with a split activation has, as it grows wide, the kernel of the real one on both parts",
            partial(distances, networks=one),
            Below(ERROR, 0.10, each=True) & Between(SLOPE, -0.6, -0.4, each=True),
            *(ABSTRACT, f"K = 2 K_real; {NTK}", sizes.draws),
        ),
        Claim(
            "So it is blind to Im <z, z'>; so are none and modrelu, the identity where it starts",
            partial(spreads, networks=REDUCING),
            Below(SPREAD, 0.02, each=True),
            *(ABSTRACT, WITNESS, sizes.seeds),
        ),
        Claim(
            "Activations that mix the parts do not reduce: cardioid and zrelu see Im <z, z'>",
            lambda results: {**spreads(results, OTHERS[:2]), CARDIOID: spreads(results, OTHERS[:1])[SPREAD]},
            (Above(SPREAD, 0.04, each=True) & Above(CARDIOID, 0.08)).contradicted_if(Below(SPREAD, 0.02, each=True)),
            *(ABSTRACT, WITNESS, sizes.seeds),
        ),
        Claim(
            "So does phase_tanh, if weakly: E[s s'*] = c h(|c|), whose real part r h grows with |c|",
            partial(rise, network=OTHERS[2]),
            Paired(RISE, errors=5).contradicted_if_reversed(),
            *(OURS, WITNESS, sizes.seeds),
        ),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of the kernels of complex products."""
    products = [name for name in sizes.networks if not name.startswith("mlp") and not name.endswith("-1")]
    see = [
        Claim(
            f"A complex product sees Im <z, z'>, its additive twin does not: {kind}, N = 2, 3",
            partial(sees, networks=[name for name in sizes.seeing if name.startswith(kind)]),
            Above(SPREAD, least, each=True) & Below(f"{SPREAD}, twins", 0.02, each=True) & Below(OFF, 0.03, each=True),
            *(OURS, "T = Re[P^N + N D P^(N-1)], or with the skip's Q", sizes.seeds),
        )
        for kind, least in THRESHOLDS.items()
    ]
    return [
        Claim(
            "Kernels of complex products tend to the limit of the real product rule with complex S and T",
            partial(distances, networks=products),
            Below(ERROR, 0.10, each=True) & Between(SLOPE, -0.6, -0.4, each=True),
            *(OURS, f"S = Re P^N; {NTK}", sizes.draws),
        ),
        *see,
    ]


def learning_claims(sizes: Sizes) -> list[Claim]:
    """Of what networks and kernels learn."""
    reducing, polynomial, split = sizes.gaps
    formula = f"|f_c - f_r| / |y| on held-out points, y = {BOTH}"
    sums = f"{PAIRED[0]} and its twin, {HOLOMORPHIC}, {sizes.many} points"
    return [
        Claim(
            "Trained complex and real networks with a split activation draw together as they grow wide",
            partial(gaps, network=reducing),
            Falls(GAP, "m") & Above(FALL, 1.5),
            *(ABSTRACT, formula, sizes.seeds),
        ),
        Claim(
            "Trained products do not: they keep the distance of their limits",
            partial(gaps, network=polynomial, beside=split),
            Between(RATIO, 0.85, 1.15),
            *(OURS, formula, sizes.seeds),
        ),
        Claim(
            f"A complex product of degree 2 has {HOLOMORPHIC} from 20 points, where the real one needs 36 (d = 4)",
            from_few,
            Below(COMPLEX, 1e-6, each=True) & Above(f"{REAL}, 28 points", 0.1) & Below(f"{REAL}, 36 points", 1e-6),
            *(OURS, "T = 2^(N-1) times the bidegree (N,0) + (0,N) part of r^N: d (d + 1) functions", sizes.seeds),
        ),
        Claim(
            "It never learns what is not pluriharmonic, from however many points",
            never,
            Above(FLOOR, 0.5, each=True) & Below(f"{REAL}, most points", 1e-6, each=True),
            *(OURS, "d^2 f / dz_j d conj(z_k) = 0", sizes.seeds),
        ),
        Claim(
            f"Networks of width {sizes.width} after Adam ({sizes.few} points) show both",
            after_adam,
            Less(f"{COMPLEX}, {HOLOMORPHIC}", f"{REAL}, {HOLOMORPHIC}", 4) & Above(f"{COMPLEX}, {MODULUS}", 0.9),
            *(OURS, "relative error on held-out points", sizes.seeds),
        ),
        Claim(
            "With a split activation a product learns a product better than its additive twin does",
            tuned,
            Paired(TWIN, sign=-1).contradicted_if_reversed(),
            *(OURS, sums, sizes.seeds),
        ),
        Claim(
            f"Images shifted at random ({sizes.task}): a real product sees the power spectrum, a complex one does not",
            partial(on_images, pair=("real-none-mult-2", "none-mult-2")),
            Paired(SHIFT).contradicted_if_reversed(),
            *(OURS, "real product less complex product", sizes.seeds),
        ),
        Claim(
            "The complex product still knows more of them than its additive twin",
            partial(on_images, pair=("none-mult-2", "none-mult-2-sum")),
            Paired(SHIFT).contradicted_if_reversed(),
            *(OURS, "complex product less twin", sizes.seeds),
        ),
    ]


def distances(results: Results, networks: Sequence[str]) -> Quantities:
    by = {n: results.of(distance, network=n).by("width", "error") for n in networks}
    middle = {n: {m: median(errors) for m, (errors,) in of.items()} for n, of in by.items()}
    slopes = {n: mean_slope({m: [error] for m, error in of.items()}) for n, of in middle.items()}
    last = {n: of[max(of)] for n, of in middle.items() if n not in HEAVY}  # whose products have heavy tails
    return {ERROR: last, SLOPE: slopes, "medians by width": middle}


def gaps(results: Results, network: str, beside: str | None = None) -> Quantities:
    made: Quantities = {}
    for name in [network, *([beside] if beside else [])]:
        by, at_limit = results.of(gap, network=name).by("width", "gap"), results.of(gap_of_limits, network=name)
        suffix = "" if name == network else f", {name}"
        made |= {f"{GAP}{suffix}": by, f"of the limits{suffix}": at_limit.one("gap")}
        if made[f"of the limits{suffix}"] > 0.01:
            made[f"{RATIO}{suffix}"] = mean(by[max(by)]) / at_limit.one("gap")
    widths = made[GAP]
    return {**made, FALL: mean(widths[min(widths)]) / mean(widths.get(512, widths[max(widths)]))}


def from_few(results: Results) -> Quantities:
    ours, real = (by_samples(results, net, HOLOMORPHIC) for net in ("none-mult-2", "real-none-mult-2"))
    enough = {n: max(errors) for n, errors in ours.items() if n >= 20}
    below = {f"{REAL}, {n} points": errors for n, errors in real.items() if n in (28, 36)}
    return {COMPLEX: enough, **below, "complex, by points": ours, "real, by points": real}


def never(results: Results) -> Quantities:
    nets: dict[str, dict[str, Any]] = {}
    for net in ("none-mult-2", "real-none-mult-2"):
        nets[net] = {target: by_samples(results, net, target) for target in (MODULUS, CONJUGATE)}
    ours, real = nets.values()
    floor = {t: {n: min(errors) for n, errors in of.items()} for t, of in ours.items()}
    return {FLOOR: floor, f"{REAL}, most points": {t: max(of[max(of)]) for t, of in real.items()}}


def after_adam(results: Results) -> Quantities:
    made: Quantities = {}
    for net, word in (("none-mult-2", COMPLEX), ("real-none-mult-2", REAL)):
        for target, of in results.of(trained, network=net).split("target").items():
            made[f"{word}, {target}"] = of.values("error")
    return made


def tuned(results: Results) -> Quantities:
    net, twin = (results.of(trained, network=name) for name in PAIRED)
    difference = paired_difference(net, twin, measure=("error",))
    kernels = {name: list(by_samples(results, name, HOLOMORPHIC).values())[-1] for name in PAIRED}
    return {TWIN: difference.differences, "that is": str(difference), "limit kernels, most points": kernels}


def on_images(results: Results, pair: Pair) -> Quantities:
    both = {name: results.of(shifted, network=name).values("accuracy") for name in pair}
    first, second = both.values()
    return {SHIFT: [a - b for a, b in zip(first, second, strict=True)], **both}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    split = spreads(results, ("mlp-split_relu",))[SPREAD]["mlp-split_relu"]
    cardioid, zrelu = spreads(results, OTHERS[:2])[SPREAD].values()
    product = spreads(results, ("none-mult-2", "none-mult-2-sum"))[SPREAD]
    ours, real = (by_samples(results, net, HOLOMORPHIC) for net in ("none-mult-2", "real-none-mult-2"))
    few = max(n for n in real if n < 36)
    accuracy = {n: 100 * mean(results.of(shifted, network=n).values("accuracy")) for n in sizes.on_images}
    return [
        f"Complex networks with split activations are real ones as they grow wide, blind to Im <z, z'> (witness "
        f"{split:.2g}), while cardioid ({cardioid:.2g}) and zrelu ({zrelu:.2g}) are not.",
        f"A Hadamard product of complex features sees Im <z, z'>, with a split activation or none (witness "
        f"{product['none-mult-2']:.2g} at degree 2), which its additive twin does not "
        f"({product['none-mult-2-sum']:.1g}).",
        f"Without activation it learns pluriharmonic functions alone: Re z1 z2 from 20 points of C^{sizes.small} "
        f"(error {mean(ours[20]):.1g}), where the real product still errs by {mean(real[few]):.2g} at {few}, but never "
        "|z1|^2.",
        f"So on images shifted at random ({sizes.task}), whose power spectrum is what stays, the real product is right "
        f"on {accuracy['real-none-mult-2']:.0f}%, the complex one on {accuracy['none-mult-2']:.0f}%, its twin on "
        f"{accuracy['none-mult-2-sum']:.0f}%.",
    ]
