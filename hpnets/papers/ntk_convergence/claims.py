"""The claims of the NTK convergence study."""

import itertools
import math
from functools import partial
from statistics import NormalDist
from typing import Any

from hpnets.papers.ntk_convergence.cells import components, four_limit, four_points, initial_kernel, trained_kernel
from hpnets.papers.ntk_convergence.sizes import Sizes
from hpnets.papers.parts.components import GONE, ratios
from hpnets.statistics import estimate, log_slope, mean, mean_slope, root_mean_square
from hpnets.study import Above, Always, Below, Between, Claim, Falls, Results, labelled

Quantities = dict[str, Any]
ByWidth = dict[int, list[float]]
MOVE, AWAY, H = "|K_T - K_0| / |K_0|", "distance on the circle over the way gone", "|h_T|"
INFLATION, RATE, FACTOR = "mean K_T / mean K_0", "measured / theory, n >= 400", "greatest factor off theory"
OFF, SPREAD, FALL = "distance of the mean kernel", "deviation over the limit's own", "factor of each fourfold width"
ORDERED, TENTH = "what is left is in the order of the eigenvalues", NormalDist().inv_cdf(0.9)
NEAR = 1.35  # a factor off theory that is allowed


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*kernel_claims(sizes), *prediction_claims(sizes), *component_claims(sizes)]


def kernel_claims(sizes: Sizes) -> list[Claim]:
    """Of the kernel at initialisation and in training."""
    near, (narrow, wider, *_) = min(sizes.init_widths, key=lambda w: abs(w - 500)), sizes.widths
    initial = partial(Claim, where="theorem 1 and section 6.1", formula="K_n -> K", seeds=sizes.init_seeds)
    trained = partial(Claim, where="theorem 2 and section 6.1", formula="K_t -> K_0 as n grows", seeds=sizes.seeds)
    ratio, flat = f"move({wider}) / move({narrow})", Above("slope", -0.1)
    return [
        initial(
            "At initialisation the kernel tends to a deterministic limit as the width n grows",
            distances,
            Between("slope", -0.65, -0.35).contradicted_if(flat),
        ),
        initial(
            f"The mean over initialisations is near the limit at moderate width, n = {near}",
            partial(mean_distance, width=near),
            Below(OFF, 0.1),
        ),
        trained(
            f"The kernel stays constant in training as n grows ({sizes.steps} steps of lr 1 on x1 x2)",
            partial(moves, narrow=narrow, wider=wider, ratio=ratio),
            (Between("slope", -1.3, -0.6) & Below(ratio, 1.75 * narrow / wider)).contradicted_if(flat),
        ),
        trained(
            "In training the kernel of a narrow network inflates, less so a wide one's",
            lambda results: {INFLATION: results.of(trained_kernel).by("width", "inflation")},
            Above(INFLATION, 1, each=True) & Falls(INFLATION, "n"),
        ),
    ]


def prediction_claims(sizes: Sizes) -> list[Claim]:
    """Of trained networks beside what kernels predict."""
    predicted = partial(Claim, where="section 5", formula="f_t = f* + exp(-t K / N) (f_0 - f*)", seeds=sizes.seeds)
    tends = (Falls(AWAY, "n") & Below("slope", -0.25)).contradicted_if(Above("slope", 0))
    says = "The trained network tends to the prediction of {}, in function space"
    return [
        predicted(says.format("its own kernel at initialisation"), partial(away, kernel="finite"), tends),
        predicted(says.format("the limit kernel"), partial(away, kernel="limit"), tends),
        Claim(
            "Networks trained on four points of the circle are distributed as the limit says (a Gaussian process)",
            four,
            Between(SPREAD, 0.7, 1.4),
            *("section 6.2", "f_t ~ N(A y, C)", sizes.four_seeds),
        ),
    ]


def component_claims(sizes: Sizes) -> list[Claim]:
    """Of training along principal components of digits."""
    digits = partial(Claim, where="section 6.3", seeds=sizes.digit_seeds)
    every = ", ".join(map(str, sizes.chosen))
    return [
        digits(
            "Training towards the second principal component leaves the straight line less the wider the network",
            leaving,
            Above(FALL, 2, each=True).contradicted_if(Below(FALL, 1, each=True)),
            formula="|h_t| -> 0; n^(-1/2) gives a factor of exactly 2 for a fourfold width",
        ),
        digits(
            "Along that component the distance falls as exp(-l_2 t)",
            along,
            Between(RATE, 2 - NEAR, NEAR, each=True),
            formula="|g_t| = exp(-l_2 t) / 2, at t = 1 / l_2",
        ),
        digits(
            f"Each principal component (of {every} at once) falls at its own rate, l_c",
            partial(rates, chosen=sizes.chosen),
            Below(FACTOR, NEAR, each=True).contradicted_if_reversed(),
            formula=f"f_t - f* = sum_c exp(-l_c t) f(c) / 2, at t = 1 / l_{sizes.chosen[-1]}",
        ),
        digits(
            "Components of larger eigenvalues are learnt first",
            partial(order, chosen=sizes.chosen),
            Always(ORDERED),
            formula="exp(-l_c t) falls faster the larger l_c",
        ),
    ]


def distances(results: Results) -> Quantities:
    errors: ByWidth = results.of(initial_kernel).by("width", "error")
    few = {width: values[:10] for width, values in errors.items()}
    return {
        "slope": mean_slope(errors),
        "of the first 10 draws": mean_slope(few),
        "|K_n - K| / |K|": labelled("n", errors),
    }


def mean_distance(results: Results, width: int) -> Quantities:
    of = results.of(initial_kernel, width=width)
    limit, rows = of.items[0].at("limit"), of.values("row")

    def off(count: int) -> float:
        return math.dist([mean(column) for column in zip(*rows[:count], strict=True)], limit) / math.hypot(*limit)

    first = {"of the first 10 draws": off(10), "of one kernel": of.values("error")}
    return {OFF: off(len(rows)), **first}


def moves(results: Results, narrow: int, wider: int, ratio: str) -> Quantities:
    move: ByWidth = results.of(trained_kernel).by("width", "move")
    return {"slope": mean_slope(move), ratio: mean(move[wider]) / mean(move[narrow]), MOVE: labelled("n", move)}


def away(results: Results, kernel: str) -> Quantities:
    errors: ByWidth = results.of(trained_kernel).by("width", kernel)
    return {"slope": mean_slope(errors), AWAY: labelled("n", errors)}


def four(results: Results) -> Quantities:
    limit, off, inside = results.of(four_limit).one(), {}, {}
    for width, networks in results.of(four_points).by("width", "f").items():
        off[width] = root_mean_square(math.dist(f, limit["mean"]) / math.hypot(*limit["std"]) for f in networks)
        edges = [(m, TENTH * s) for m, s in zip(limit["mean"], limit["std"], strict=True)]
        within = mean(float(abs(v - m) <= edge) for f in networks for v, (m, edge) in zip(f, edges, strict=True))
        inside[width] = f"{within:.0%}"
    percentiles = {"by width": labelled("n", off), "within the 10-90 percentiles": labelled("n", inside)}
    return {SPREAD: off[max(off)], **percentiles}


def leaving(results: Results) -> Quantities:
    h: ByWidth = results.of(components, chosen=[2]).by("width", "h", -1)
    factors = [mean(a) / mean(b) for a, b in itertools.pairwise(h.values())]
    slopes = [log_slope(h, row) for row in zip(*h.values(), strict=True)]
    listed = ", ".join(f"{factor:.2f}" for factor in factors)
    return {FALL: factors, "that is": listed, "slope": estimate(slopes), H: labelled("n", h)}


def along(results: Results) -> Quantities:
    of = results.of(components, chosen=[2])
    at = next(i for i, t in enumerate(of.items[0].at("times")) if abs(t - 1) < 0.2)
    measured = {width: [ratio for row in rows for ratio in row] for width, rows in ratios(of, at).items()}
    wide = [ratio for width, each in measured.items() if width >= min(400, max(measured)) for ratio in each]
    return {RATE: wide, "by width": labelled("n", measured)}


def rates(results: Results, chosen: tuple[int, ...]) -> Quantities:
    measured = ratios(results.of(components, chosen=chosen), -1)
    widest = measured[max(measured)]
    worst = [math.exp(max(abs(math.log(ratio)) for ratio in row)) for row in widest]
    by_width = {width: [ratio for row in rows for ratio in row] for width, rows in measured.items()}
    means = [mean(each) for each in by_width.values()]
    faster = "faster than the limit, the narrower the faster, as in section 6.3"
    return {
        FACTOR: worst,
        f"networks within {NEAR}": f"{sum(w < NEAR for w in worst)} of {len(worst)}, at most {max(worst):.2f}",
        "measured / theory": labelled("n", by_width),
        "each component": ", ".join(estimate(column) for column in zip(*widest, strict=True)),
        **({"below 1": faster} if means == sorted(means) and means[-1] < 1 else {}),
    }


def order(results: Results, chosen: tuple[int, ...]) -> Quantities:
    by_width = results.of(components, chosen=chosen).by("width", "left", -1)
    rows = [[max(abs(v), GONE) for v in left] for left in by_width[max(by_width)]]
    means = [mean(column) for column in zip(*rows, strict=True)]
    worst = max(a / b for row in rows for a, b in itertools.pairwise(row))
    return {
        ORDERED: [row == sorted(row) for row in rows],
        "worst inversion, a factor": f"{worst:.3f}",
        "means in order": means == sorted(means),
    }


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    slope, moved = distances(results)["slope"], results.of(trained_kernel).by("width", "move")
    first, *_, last = moved
    finite, limit = (away(results, kernel)["slope"] for kernel in ("finite", "limit"))
    return [
        f"At initialisation the kernel of the paper's ReLU network is off its limit by n^{slope:.2f}, close to the "
        "n^-0.5 of theory.",
        f"In training it moves by {mean(moved[first]):.2g} of its size at width {first} and by {mean(moved[last]):.2g} "
        f"at {last}, so that wide networks do stay near it.",
        f"Trained networks tend to what kernels predict, the gap falling as n^{finite:.2f} for their own kernel and as "
        f"n^{limit:.2f} for the limit's.",
        "Along principal components of digits, what is learnt outside of the component falls by factors of "
        f"{leaving(results)['that is']} for fourfold widths, where theory promises 2.",
    ]
