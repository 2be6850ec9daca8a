"""The claims of the study of label-aware kernels."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.label_aware.cells import hierarchy
from hpnets.papers.label_aware.sizes import PRODUCTS, STRENGTHS, Sizes
from hpnets.papers.parts.elastic_nets import trained
from hpnets.papers.parts.labelled_kernels import regression
from hpnets.statistics import estimate, mean, standard_error
from hpnets.study import (
    Above,
    Always,
    Below,
    Claim,
    Falls,
    Paired,
    PairedDifference,
    Results,
    paired_difference,
)

Quantities = dict[str, Any]
RISES, EXACT, LOWER, NEGATIVE = (
    "ratio rising with r",
    "the same bits",
    "lower 95% bound",
    "share of negative eigenvalues",
)
COSINE, ERROR, LINEARISED = "cosine", "|dK - dK trained| / |dK trained|", "error of f over that of the fixed kernel"
GAIN, STEP = "ratio after training less at the start", "the same of steps"
LESS = "gain of the ratio, cut at 1, product less twin"
HR, NTH = "its section on higher-order regression", "its section on the hierarchy"
THEIRS, OURS = "its experiments", "a question of our own"
RATIO = "s / (s + d), s, d the means of K_ij / (K_ii K_jj)^1/2 over pairs of one class, of two"
HIERARCHY = "dK = <H^-1 S, K4>, H S + S H = y y^T"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*regression_claims(sizes), *hierarchy_claims(sizes), *training_claims(sizes)]


def regression_claims(sizes: Sizes) -> list[Claim]:
    """Of K + r Z."""
    of = partial(Claim, where=HR, formula="K + r Z", seeds=sizes.kernel_seeds)
    tells = "The ratio of local elasticity of K + r Z, over test images, rises with r in each run"
    keeps = "r = 0.01 does not cost accuracy: at most 0.01, pairs and seeds together, with 95% confidence"
    turns = f"K + r Z turns indefinite as r grows: it is at r = {STRENGTHS[-1]:g}, in each run"
    return [
        of(tells, partial(rising, sizes=sizes), Always(RISES), formula=RATIO),
        of(
            "r = 0 is the NTK, bit for bit",
            lambda results: {EXACT: results.of(regression).values("exact")},
            Always(EXACT),
        ),
        of(keeps, partial(accuracy, r=STRENGTHS[1]), Above(LOWER, -0.01)),
        of(
            turns,
            negative,
            Above(NEGATIVE, 1e-6, each=True),
            where=OURS,
            formula="sum of |l| over l < 0, over that of all",
        ),
    ]


def hierarchy_claims(sizes: Sizes) -> list[Claim]:
    """Of the kernel after training."""
    of = partial(Claim, where=NTH, formula=HIERARCHY, seeds=sizes.seeds)
    width = max(sizes.widths)
    return [
        of(
            f"The hierarchy's change of the kernel is that of training, in direction and size (width {width})",
            partial(predicted, width=width),
            Above(COSINE, 0.9, each=True) & Below(ERROR, 1, each=True),
        ),
        of(
            f"Regression with its kernel is nearer to what is trained, on other images, than with K (width {width})",
            partial(predicted, width=width),
            Below(LINEARISED, 1).contradicted_if_reversed(),
        ),
        of("It is the nearer the wider the network", nearer, Falls(ERROR, "width"), where=OURS),
    ]


def training_claims(sizes: Sizes) -> list[Claim]:
    """Of trained networks."""
    of = partial(Claim, where=THEIRS, formula=RATIO, seeds=sizes.seeds)
    pairs, few = sizes.trained_pairs, sizes.conv_pairs
    more = "Training raises the ratio of the kernel's local elasticity by 0.05 and more on each pair"
    made = [
        of(f"{more}: {net}", partial(gained, network=net, pairs=pairs), Above(GAIN, 0.05, each=True), where=where)
        for net, where in (("mlp", THEIRS), (PRODUCTS[0], OURS))
    ]
    made.append(
        of(
            "Steps of the network itself show it: the ratio of what they move rises in training (mlp)",
            partial(stepped, network="mlp", pairs=pairs),
            Paired(STEP).contradicted_if_reversed(),
            formula="S_ij = |change of f(x_j)| / |change of f(x_i)| after a step at x_i",
        )
    )
    for net, on in (*((net, pairs) for net in PRODUCTS), *((net, few) for net in sizes.convolutional)):
        says = f"The kernel of a product becomes more locally elastic than that of its additive twin: {net}"
        statistic = partial(product, network=net, pairs=on)
        text = "gain: the ratio after training less at the start, 1 where d < 0, each at its best rate"
        criterion = Paired(LESS).contradicted_if_reversed()
        made.append(of(says, statistic, criterion, where=OURS, formula=text))
    return made


def by_r(results: Results, key: str) -> dict[str, dict[float, list[float]]]:
    """By network and pair, at each r, the values of the seeds."""
    of = results.of(regression).split("network", "pair").items()
    return {f"{n}, {pair}": {r: part.values("by r", f"{r:g}", key) for r in STRENGTHS} for (n, pair), part in of}


def rising(results: Results, sizes: Sizes) -> Quantities:
    made, shown = [], {}
    for name, values in by_r(results, "ratio").items():
        made += [all(a < b for a, b in itertools.pairwise(run)) for run in zip(*values.values(), strict=True)]
        shown[name] = " / ".join(f"{mean(each):.3f}" for each in values.values())
    return {RISES: made, f"ratio at r = {' / '.join(f'{r:g}' for r in STRENGTHS)}": shown}


def accuracy(results: Results, r: float) -> Quantities:
    each = {name: differences(values, r) for name, values in by_r(results, "accuracy").items()}
    pooled = list(itertools.chain(*each.values()))
    lower = mean(pooled) - 1.96 * standard_error(pooled)
    others = {
        f"at r = {s:g}": mean(d for v in by_r(results, "accuracy").values() for d in differences(v, s))
        for s in STRENGTHS
    }
    return {LOWER: lower, f"accuracy less that of r = 0, r = {r:g}": each, "all": others}


def differences(values: dict[float, list[float]], r: float) -> list[float]:
    return [a - b for a, b in zip(values[r], values[0.0], strict=True)]


def negative(results: Results) -> Quantities:
    shares = by_r(results, "negative")
    over = {f"r = {r:g}": [v for values in shares.values() for v in values[r]] for r in STRENGTHS}
    return {NEGATIVE: over[f"r = {STRENGTHS[-1]:g}"], "at all r": over}


def predicted(results: Results, width: int) -> Quantities:
    of = results.of(hierarchy, width=width).split("pair").items()
    made: Quantities = {COSINE: {pair: part.values("cosine") for pair, part in of}}
    made[ERROR] = {pair: part.values("error") for pair, part in of}
    ratio = {pair: [r.at("hierarchy") / r.at("linearised") for r in part] for pair, part in of}
    moved = {pair: part.values("moved") for pair, part in of}
    return made | {LINEARISED: ratio, "|dK trained| / |K|": moved}


def nearer(results: Results) -> Quantities:
    return {ERROR: results.of(hierarchy).by("width", "error"), COSINE: results.of(hierarchy).by("width", "cosine")}


def at_best(results: Results, network: str, pair: str) -> Results:
    """The runs at the rate of least validation error."""
    of = results.of(trained, network=network, pair=pair).split("lr")
    return min(of.values(), key=lambda part: mean(part.values("validation")))


def gained(results: Results, network: str, pairs: Sequence[str]) -> Quantities:
    runs = {pair: at_best(results, network, pair) for pair in pairs}
    ends = {pair: f"{mean(part.values('end', 'kernel', 'ratio')):.3f}" for pair, part in runs.items()}
    return {GAIN: {pair: mean(part.values("ratio gain")) for pair, part in runs.items()}, "ratio after training": ends}


def stepped(results: Results, network: str, pairs: Sequence[str]) -> Quantities:
    runs = {pair: at_best(results, network, pair) for pair in pairs}
    return {STEP: {pair: part.values("step gain") for pair, part in runs.items()}}


def product(results: Results, network: str, pairs: Sequence[str]) -> Quantities:
    """The mean over pairs of the differences product - twin, seed by seed."""
    each: dict[str, dict[str, PairedDifference]] = {"cut gain": {}, "apart gain": {}}
    for pair, key in itertools.product(pairs, each):
        net, twin = (results.of(trained, network=f"{network}{end}", pair=pair) for end in ("", "-sum"))
        each[key][pair] = paired_difference(net, twin, measure=(key,))
    by_seed = {
        key: [mean(row) for row in zip(*(p.differences for p in of.values()), strict=True)] for key, of in each.items()
    }
    beside = {
        f"ratio, {name}": [v for pair in pairs for v in at_best(results, of, pair).values("end", "kernel", "ratio")]
        for name, of in ((network, network), ("twin", f"{network}-sum"))
    }
    texts = {pair: str(p) for pair, p in each["cut gain"].items()}
    return {LESS: by_seed["cut gain"], "that of s - d": by_seed["apart gain"], "each": texts, **beside}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    ratios = by_r(results, "ratio").values()
    ends = [mean(v for values in ratios for v in values[r]) for r in (0.0, STRENGTHS[-1])]
    least, share = accuracy(results, STRENGTHS[1]), mean(negative(results)[NEGATIVE])
    most = predicted(results, max(sizes.widths))
    cosine, error = (mean(itertools.chain(*most[name].values())) for name in (COSINE, ERROR))
    gains = {net: gained(results, net, sizes.trained_pairs)[GAIN].values() for net in ("mlp", PRODUCTS[0])}
    words = ", ".join(f"{min(g):.3f} to {max(g):.3f} ({net})" for net, g in gains.items())
    on = {**dict.fromkeys(PRODUCTS, sizes.trained_pairs), **dict.fromkeys(sizes.convolutional, sizes.conv_pairs)}
    more = {net: product(results, net, pairs)[LESS] for net, pairs in on.items()}
    return [
        f"A regression of label agreement on features of pairs, added to the NTK, raises its ratio of local elasticity "
        f"from {ends[0]:.3f} to {ends[1]:.3f} at r = {STRENGTHS[-1]:g}; at r = {STRENGTHS[1]:g} accuracy changes by "
        f"{least['all'][f'at r = {STRENGTHS[1]:g}']:+.4f}, and by {least['all'][f'at r = {STRENGTHS[-1]:g}']:+.3f} at "
        f"r = {STRENGTHS[-1]:g}, where {share:.1%} of the eigenvalues' sum is negative.",
        f"The neural tangent hierarchy, solved at the start alone, gives the change of a width-{max(sizes.widths)} "
        f"network's kernel in training with cosine {cosine:.3f} and relative error {error:.2f}.",
        f"Training raises the ratio by {words}, the means of the pairs.",
        "A product's kernel gains more of the ratio (cut at 1) than its additive twin's, each at its best rate, by "
        + ", ".join(f"{estimate(values, '+.3f')} ({net})" for net, values in more.items())
        + ".",
    ]
