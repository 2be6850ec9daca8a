"""The claims of the NTK convergence study."""

import itertools
import math
import statistics
from typing import TYPE_CHECKING, Any

from hpnets.statistics import log_slope
from recipes.papers.parts.pages import Claim, mean_slope, spread, verdict

if TYPE_CHECKING:
    from recipes.papers.ntk_convergence import Sizes

Found = dict[str, Any]
WITHIN = math.log(1.35)


def values(found: Found, name: str, widths: tuple[int, ...], seeds: list[int], key: str) -> dict[int, list[Any]]:
    """found["name-width-seed"][key] of all seeds, by width."""
    return {w: [found[f"{name}-{w}-{s}"][key] for s in seeds] for w in widths}


def by_width(numbers: dict[int, list[float]], digits: int = 2) -> str:
    """ "n = 100: mean +- std; .." """
    return "; ".join(f"n = {w}: {spread(v, digits)}" for w, v in numbers.items())


def slopes(numbers: dict[int, list[float]]) -> list[float]:
    """The log-log slope over width of each seed."""
    return [log_slope(numbers, row) for row in zip(*numbers.values(), strict=True)]


def slope_text(numbers: dict[int, list[float]]) -> str:
    """ "slope a +- standard error over seeds" """
    each = slopes(numbers)
    return f"slope {statistics.fmean(each):.2f} +- {statistics.stdev(each) / len(each) ** 0.5:.2g} (standard error)"


def claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    """Every statement with what was measured."""
    made = [*initial_claims(found, sizes), *motion_claims(found, sizes, seeds)]
    return [
        *made,
        *prediction_claims(found, sizes, seeds),
        four_claim(found, sizes),
        *component_claims(found, sizes),
    ]


def initial_claims(found: Found, sizes: "Sizes") -> list[Claim]:
    draws = list(range(sizes.init_seeds))
    errors = values(found, "init", sizes.init_widths, draws, "error")
    n = min(sizes.init_widths, key=lambda w: abs(w - 500))
    slope, off = slope_and_mean(found, sizes, n, draws)
    few = slope_and_mean(found, sizes, n, draws[:10])
    return [
        Claim(
            "At initialisation the kernel tends to a deterministic limit as the width n grows",
            "log-log slope of |K - limit| / |limit| over n in [-0.65, -0.35]",
            f"slope {slope:.2f} ({few[0]:.2f} of the first 10 draws alone); {by_width(errors)}",
            len(draws),
            verdict(-0.65 <= slope <= -0.35, slope > -0.1),
        ),
        Claim(
            "The mean over initialisations is near the limit at moderate width",
            f"mean kernel of n = {n} within 0.10 of the limit",
            f"distance {off:.3f} ({few[1]:.3f} of the first 10 draws alone; of one kernel {spread(errors[n], 2)})",
            len(draws),
            verdict(off < 0.10),
        ),
    ]


def slope_and_mean(found: Found, sizes: "Sizes", n: int, draws: list[int]) -> tuple[float, float]:
    """Slope of the distance to the limit over width, and the distance of the mean kernel of width n."""
    rows, limit = (values(found, "init", (n,), draws, key)[n] for key in ("row", "limit"))
    mean = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    slope = mean_slope(values(found, "init", sizes.init_widths, draws, "error"))
    return slope, math.dist(mean, limit[0]) / math.hypot(*limit[0])


def motion_claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    move, inflation = (values(found, "trained", sizes.widths, seeds, key) for key in ("move", "inflation"))
    first, second, *_ = sizes.widths
    slope = mean_slope(move)
    factor, allowed = statistics.fmean(move[second]) / statistics.fmean(move[first]), 1.75 * first / second
    return [
        Claim(
            f"The kernel stays constant in training as n grows ({sizes.steps} steps of lr 1 on x1 x2)",
            f"slope of the relative move in [-1.3, -0.6]; move({second}) < {allowed:.2g} move({first})",
            f"slope {slope:.2f}, ratio {factor:.2f}; {by_width(move)}",
            len(seeds),
            verdict(-1.3 <= slope <= -0.6 and factor < allowed, slope > -0.1),
        ),
        Claim(
            "In training the kernel of a narrow network inflates, less so a wide one's",
            "mean K_T / mean K_0 above 1 and falling with n",
            by_width(inflation, 3),
            len(seeds),
            verdict(
                all(a > b for a, b in zip(*pairs(inflation), strict=True)) and min(map(min, inflation.values())) > 1
            ),
        ),
    ]


def pairs(numbers: dict[int, list[float]]) -> tuple[list[float], list[float]]:
    """Means at each width but the last, and at the next one."""
    means = [statistics.fmean(v) for v in numbers.values()]
    return means[:-1], means[1:]


def prediction_claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    made = []
    for key, kernel in (("finite", "its own kernel at initialisation"), ("limit", "the limit kernel")):
        errors = values(found, "trained", sizes.widths, seeds, key)
        slope = mean_slope(errors)
        made.append(
            Claim(
                f"The trained network tends to the prediction of {kernel}, in function space",
                "distance on the circle, relative to the way gone, falling with n, slope below -0.25",
                f"slope {slope:.2f}; {by_width(errors)}",
                len(seeds),
                verdict(slope < -0.25 and all(a > b for a, b in zip(*pairs(errors), strict=True)), slope > 0),
            )
        )
    return made


def four_claim(found: Found, sizes: "Sizes") -> Claim:
    draws, limit = list(range(sizes.four_seeds)), found["four-limit"]
    size = math.hypot(*limit["std"])
    ratios = {
        w: [math.dist(f, limit["mean"]) / size for f in values(found, "four", (w,), draws, "f")[w]]
        for w in sizes.four_widths
    }
    widest = sizes.four_widths[-1]
    rms = {w: statistics.fmean(r * r for r in v) ** 0.5 for w, v in ratios.items()}
    inside = {w: statistics.fmean(within(found, w, draws)) for w in sizes.four_widths}
    texts = [f"n = {w}: {rms[w]:.2f}, {inside[w]:.0%} within the 10-90 percentiles" for w in sizes.four_widths]
    return Claim(
        "Networks trained on four points of the circle are distributed as the limit says (a Gaussian process)",
        f"root mean square deviation from the limit's mean in [0.7, 1.4] of the limit's own at n = {widest}",
        "; ".join(texts),
        len(draws),
        verdict(0.7 <= rms[widest] <= 1.4),
    )


def within(found: Found, width: int, draws: list[int]) -> list[float]:
    """For each network, the fraction of the circle where f is between the limit's 10th and 90th percentile."""
    mean, std = found["four-limit"]["mean"], found["four-limit"]["std"]
    z = statistics.NormalDist().inv_cdf(0.9)
    return [
        statistics.fmean(
            abs(f - m) <= z * s for f, m, s in zip(found[f"four-{width}-{d}"]["f"], mean, std, strict=True)
        )
        for d in draws
    ]


def component_claims(found: Found, sizes: "Sizes") -> list[Claim]:
    widths, widest, seeds = sizes.digit_widths, sizes.digit_widths[-1], list(range(sizes.digit_seeds))
    h = {w: [v[-1] for v in values(found, "second", widths, seeds, "h")[w]] for w in widths}
    falls = [a / b for a, b in zip(*pairs(h), strict=True)]
    at = next(i for i, t in enumerate(found[f"second-{widest}-0"]["times"]) if abs(t - 1) < 0.2)
    g = ratios(found, "second", widths, seeds, at)
    several = ratios(found, "several", widths, seeds, -1)
    worst = max(abs(math.log(r)) for r in several[widest])
    each = [ratios(found, "several", (widest,), [s], -1)[widest] for s in seeds]
    inside = sum(all(abs(math.log(r)) < WITHIN for r in row) for row in each)
    # What is below 1% of its start counts as gone.
    ordered = [[max(abs(v), 0.005) for v in found[f"several-{widest}-{s}"]["left"][-1]] for s in seeds]
    return [
        Claim(
            "Training towards the second principal component leaves the straight line less the wider the network",
            "|h_T| falls by 2 or more for each fourfold width",
            f"by {', '.join(f'{f:.2f}' for f in falls)}; {slope_text(h)}; {by_width(h)}. n^(-1/2) gives exactly 2 for "
            "each fourfold width, so that the criterion, set beforehand, is at the edge of what theory promises",
            len(seeds),
            verdict(min(falls) >= 2, max(falls) < 1),
        ),
        Claim(
            "Along that component the distance falls as exp(-l_2 t)",
            "|g_t| within 35% of theory at t = 1 / l_2, for n >= 400",
            "measured / theory: " + by_width(g),
            len(seeds),
            verdict(all(abs(r - 1) < 0.35 for w in widths if w >= min(400, widest) for r in g[w])),
        ),
        Claim(
            f"Each principal component (of {', '.join(map(str, sizes.chosen))} at once) falls at its own rate, l_c",
            f"at t = 1 / l_{sizes.chosen[-1]}, n = {widest}: what is left of components above 1% within 35% of theory, "
            "for each network",
            f"{inside} of {len(seeds)} networks; measured / theory: {by_width(several)}; greatest factor "
            f"{math.exp(worst):.2f}; means over networks, with their standard errors: {component_means(each)}"
            f"{faster(several)}",
            len(seeds),
            verdict(inside == len(seeds), inside == 0),
        ),
        Claim(
            "Components of larger eigenvalues are learnt first",
            f"what is left at n = {widest} is in the order of the eigenvalues, for each seed",
            f"ordered for {sum(left == sorted(left) for left in ordered)} of {len(ordered)} seeds{inversion(ordered)}",
            len(seeds),
            verdict(all(left == sorted(left) for left in ordered)),
        ),
    ]


def faster(several: dict[int, list[float]]) -> str:
    """Whether less is left than of the limit kernel, the narrower the network the less."""
    means = [statistics.fmean(each) for each in several.values()]
    if not (means == sorted(means) and means[-1] < 1):
        return ""
    return ". Below 1: faster than the limit, and the narrower the faster, as the paper saw too (section 6.3)"


def inversion(ordered: list[list[float]]) -> str:
    """By how much the worst of rows that should rise does not, and whether their means rise."""
    factor = max(a / b for left in ordered for a, b in itertools.pairwise(left))
    if factor <= 1:
        return ""
    means = [statistics.fmean(column) for column in zip(*ordered, strict=True)]
    return f"; the worst inversion is by a factor {factor:.3f}; means {'' if means == sorted(means) else 'not '}ordered"


def component_means(each: list[list[float]]) -> str:
    """ "0.9 +- 0.01, .." of the columns of a table with a row a network."""
    columns = list(zip(*each, strict=True))
    means = [f"{statistics.fmean(c):.2f} +- {statistics.stdev(c) / len(c) ** 0.5:.2g}" for c in columns]
    return ", ".join(means)


def ratios(found: Found, name: str, widths: tuple[int, ...], seeds: list[int], at: int) -> dict[int, list[float]]:
    """Measured over predicted rest of each component that is predicted above 1% of its start, all seeds, by width."""
    made: dict[int, list[float]] = {w: [] for w in widths}
    for w in widths:
        for s in seeds:
            cell = found[f"{name}-{w}-{s}"]
            both = zip(cell["left"][at], cell["predicted"][at], strict=True)
            made[w] += [max(left, 1e-9) / predicted for left, predicted in both if predicted > 0.005]
    return made
