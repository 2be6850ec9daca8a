"""The claims of the study of Thompson sampling; n is the number of observations, s the noise's deviation."""

import itertools
from functools import partial
from typing import Any

from hpnets.papers.parts.bandit_runs import totals
from hpnets.papers.thompson_sampling.cells import fixed_features, fresh_networks, interactions, prior, regret
from hpnets.papers.thompson_sampling.sizes import LOUD, NOISE, Sizes
from hpnets.statistics import estimate, mean
from hpnets.study import Above, Below, Claim, Paired, PairedDifference, Results, paired_difference

Quantities = dict[str, Any]
FLOORS = 1.5  # an error of this many times what the draws leave to chance is allowed
DRAWS, ALLOWED = 4000, {"mean": 0.02, "covariance": 0.08}  # relative errors of so many draws
MEAN, COVARIANCE, OVER = "mean error", "covariance error", "error over its floor"
QUIET, OFF = "covariance error without target noise", "|that - predicted|"
KEPT, ZEROED = "prior off T, read-out kept", "prior off T over its floor, read-out zeroed"
SHARE, HITS, LAST = "regret over random's", "share that hit, less random's", "last quarter's regret over the first's"
LESS, TO_TS = "regret over random's, each", "regret over that of GP-TS"
WITHOUT = "regret with target noise less without"
WITH, NONE = "regret, product less twin, interactions alone", "regret, product less twin, no interactions"
DIFFERENCE = "difference of the two differences"
OURS = "asked by us"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*exact_claims(sizes), *regret_claims(sizes), *product_claims(sizes)]


def exact_claims(sizes: Sizes) -> list[Claim]:
    """Of the distribution of draws."""
    exact = partial(Claim, where="its proposition on sample-then-optimise", seeds=sizes.exact_seeds)
    drawn = partial(exact, formula="f = f_0 + T(x, X) (T + s^2)^-1 (y + s e - f_0(X)) ~ GP posterior")
    more = (DRAWS / sizes.draws) ** 0.5
    within = Below(MEAN, ALLOWED["mean"] * more, each=True) & Below(COVARIANCE, ALLOWED["covariance"] * more, each=True)
    linear = "A linearised network that is drawn and then trained is a draw of its GP's posterior"
    wide = f"So are networks drawn afresh, of the posterior of the limit kernel (width {sizes.fresh_width})"
    quiet = "Without noise on the targets draws have too little covariance, by as much as is predicted"
    start = "The prior of draws is the NTK T if theta_0' is zero in the read-out, and is not if it is kept"
    less = Above(QUIET, 0.3, each=True) & Below(OFF, 0.05, each=True)
    is_ntk = Below(ZEROED, FLOORS) & Above(KEPT, 0.3, each=True)
    return [
        drawn(linear, partial(errors, cell=fixed_features), within),
        drawn(wide, partial(errors, cell=fresh_networks), within),
        exact(quiet, without_noise, less, formula="|C_quiet - C| = |s^2 T* A^2 T*'|, A = (T + s^2)^-1"),
        exact(start, priors, is_ntk, formula="Cov f(x; theta_0) = S; Cov <df, theta_0'> = T - S, or T if kept"),
    ]


def regret_claims(sizes: Sizes) -> list[Claim]:
    """Of what optimisers find on draws of the NTK's GP, and elsewhere."""
    theirs = partial(Claim, where="its experiments", formula="regret = sum_i max f - f(x_i)", seeds=sizes.seeds)
    ours = partial(theirs, where=OURS)
    words = f"{sizes.evaluations} evaluations of {sizes.candidates} candidates"
    linear = f"STO-BNTS-Linear has at most half of random search's regret on draws of the NTK's GP ({words})"
    batches = f"So it has in batches of {sizes.batch}, each member a draw of its own"
    network = f"So has STO-BNTS, whose networks are trained ({sizes.steps} steps of descent)"
    falls = "Its regret an evaluation falls: it is asymptotically without regret"
    same = "It does as well as Thompson sampling with the limit kernel's GP itself, up to a half"
    loud = f"Noise on the targets lowers regret (s = {LOUD:g})"
    other = "On other objectives too, images and categorical inputs among them, its regret is below random search's"
    half = Below(SHARE, 0.5) & Above(HITS, 0.3)
    trained = partial(beside_random, method=f"network-{sizes.steps}", batch=1)
    return [
        theirs(linear, partial(beside_random, method="linear", batch=1), half),
        theirs(batches, partial(beside_random, method="linear", batch=sizes.batch), half),
        theirs(network, trained, half, seeds=min(sizes.seeds, sizes.network_seeds)),
        theirs(falls, quarters, Below(LAST, 0.4), where="its theorem on regret"),
        ours(same, gaussian, Below(TO_TS, 1.5).contradicted_if(Above(TO_TS, 2))),
        ours(loud, partial(noise_matters, noise=LOUD), Paired(WITHOUT, sign=-1).contradicted_if_reversed()),
        theirs(other, others, Below(LESS, 1, each=True)),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of products as surrogates."""
    text = "each at the amplitude of its prior that is best on other objectives; all variance interactions, or none"
    tuned = partial(Claim, statistic=partial(products, sizes=sizes), where=OURS, formula=text, seeds=sizes.seeds)
    better = "A product is the better surrogate than its additive twin where inputs interact"
    worse = "Where they do not, the additive twin is the better one"
    depends = "What a product gains over its twin depends on interactions"
    signs = {better: (WITH, -1), worse: (NONE, 1), depends: (DIFFERENCE, -1)}
    return [
        tuned(says, criterion=Paired(name, sign=sign).contradicted_if_reversed())  # type: ignore[arg-type]
        for says, (name, sign) in signs.items()
    ]


def errors(results: Results, cell: Any) -> Quantities:
    """By network: the mean over seeds, and each seed's error over what its draws leave to chance."""
    of, made = results.of(cell).split("network"), Quantities()
    for part in ALLOWED:
        errors = {key: [r.at("noise", part) for r in runs] for key, runs in of.items()}
        floors = {key: [r.at("noise", f"{part} floor") for r in runs] for key, runs in of.items()}
        made[f"{part} error"] = {key: mean(each) for key, each in errors.items()}
        made[f"{part} {OVER}"] = {k: [a / b for a, b in zip(errors[k], floors[k], strict=True)] for k in of}
    return made


def without_noise(results: Results) -> Quantities:
    cells = {"fixed": fixed_features, "fresh": fresh_networks}
    of = {f"{key}, {name}": part for name, c in cells.items() for key, part in results.of(c).split("network").items()}
    quiet = {key: part.values("quiet", "covariance") for key, part in of.items()}
    predicted = {key: part.values("predicted") for key, part in of.items()}
    off = {key: [abs(a - b) for a, b in zip(quiet[key], predicted[key], strict=True)] for key in of}
    return {QUIET: quiet, "predicted": predicted, OFF: off}


def priors(results: Results) -> Quantities:
    of = results.of(prior)
    zeroed = [a / b for a, b in zip(of.values("zeroed"), of.values("floor"), strict=True)]
    return {ZEROED: zeroed, KEPT: of.values("kept")}


def runs(results: Results, method: str, batch: int = 1, noise: float = NOISE) -> Results:
    return results.of(regret, objective="draw", method=method, batch=batch, noise=noise)


def beside_random(results: Results, method: str, batch: int) -> Quantities:
    ours, rest = runs(results, method, batch), runs(results, "random")
    alike = [r for r in rest if r.options["seed"] in totals(ours)]
    share = mean(totals(ours).values()) / mean(r.at("total") for r in alike)
    hits, by_chance = ours.values("hit"), [r.at("hit") for r in alike]
    gained = sum(hits) / len(hits) - sum(by_chance) / len(by_chance)
    return {SHARE: share, HITS: gained, "regret": [*totals(ours).values()], "hit": hits, "random": by_chance}


def quarters(results: Results) -> Quantities:
    curves = runs(results, "linear").values("regret")
    part = max(1, len(curves[0]) // 4)
    first, last = ([mean(each) for each in at] for at in ([c[:part] for c in curves], [c[-part:] for c in curves]))
    return {LAST: mean(last) / mean(first), "first quarter": first, "last quarter": last}


def gaussian(results: Results) -> Quantities:
    methods = results.of(regret, objective="draw", batch=1, noise=NOISE).split("method")
    of = {name: [*totals(part).values()] for name, part in methods.items() if not name.startswith("network")}
    hits = {name: runs(results, name).values("hit") for name in of}
    return {TO_TS: mean(of["linear"]) / mean(of["gp-ts"]), "regret": of, "hit": hits}


def noise_matters(results: Results, noise: float) -> Quantities:
    loud, quiet = (totals(runs(results, name, noise=noise)) for name in ("linear", "linear-quiet"))
    return {WITHOUT: [loud[seed] - quiet[seed] for seed in loud], "regret without": [*quiet.values()]}


def others(results: Results) -> Quantities:
    ratios: dict[str, dict[str, float]] = {}
    hits = {}
    for name, of in results.of(regret).split("objective").items():
        if name != "draw":
            each = of.split("method")
            for method in [method for method in each if method != "random"]:
                ratio = mean(totals(each[method]).values()) / mean(totals(each["random"]).values())
                ratios.setdefault(method, {})[name] = ratio
            hits[name] = ", ".join(f"{sum(part.values('hit'))} ({method})" for method, part in each.items())
    own = ratios.pop("linear")
    return {LESS: own, **{f"that of {method}": of for method, of in ratios.items()}, "hits": hits}


def paired(results: Results, product: str, share: float) -> PairedDifference:
    """The difference product - twin of regret at this share of interactions."""
    net, twin = (results.of(interactions, network=f"{product}{end}", share=share) for end in ("", "-sum"))
    return paired_difference(net, twin, measure=("of",), rate="amplitude")


def products(results: Results, sizes: Sizes) -> Quantities:
    """Differences of both products, seed by seed; over shares from the most interactions to the fewest."""
    most, least = max(sizes.shares), min(sizes.shares)
    at = {share: {name: paired(results, name, share) for name in sizes.products} for share in (most, least)}
    seeds = range(sizes.seeds)
    of = {share: [mean(p.differences[i] for p in each.values()) for i in seeds] for share, each in at.items()}
    text = {f"{name}, share {share:g}": str(p) for share, each in at.items() for name, p in each.items()}
    both = [a - b for a, b in zip(of[most], of[least], strict=True)]
    return {WITH: of[most], NONE: of[least], DIFFERENCE: both, "each": text}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    ratios_of = (errors(results, cell)[f"covariance {OVER}"].values() for cell in (fixed_features, fresh_networks))
    fixed, fresh = (max(itertools.chain(*each)) for each in ratios_of)
    linear, many = (beside_random(results, "linear", b) for b in (1, sizes.batch))
    quiet = without_noise(results)[QUIET]
    rest = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in others(results)[LESS].items())
    made = products(results, sizes)
    return [
        f"A network that is drawn and then trained on noisy targets is a draw of the posterior of a Gaussian process "
        f"with its NTK: over {sizes.draws} draws the covariance is within {fixed:.1f} times what chance leaves "
        f"for linearised networks, {fresh:.1f} for networks drawn afresh; without noise on the targets it is "
        f"{min(min(each) for each in quiet.values()):.0%} off or more.",
        f"On draws of that process STO-BNTS-Linear has {linear[SHARE]:.2f} of random search's regret "
        f"({many[SHARE]:.2f} in batches of {sizes.batch}) and finds the optimum in {sum(linear['hit'])} of "
        f"{sizes.seeds} runs of {sizes.evaluations} evaluations, where random search does in {sum(linear['random'])}.",
        f"On the other objectives its regret is {rest} of random search's.",
        f"A product as surrogate changes its additive twin's regret by {estimate(made[WITH], '+.1f')} where inputs "
        f"interact and by {estimate(made[NONE], '+.1f')} where they do not (values of deviation 1, "
        f"{sizes.product_evaluations} evaluations).",
    ]
