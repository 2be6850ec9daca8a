"""The claims of the spectral bias study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.parts.harmonics import HARMONICS, few, generalising, halves, in_order, off_linear, over_predicted
from hpnets.papers.parts.noisy_labels import fitted_noise
from hpnets.papers.parts.spectra import above, exponent, exponents
from hpnets.papers.spectral_bias.cells import label_noise, network_training
from hpnets.papers.spectral_bias.measures import LR, linearised, spectra, steps_to_learn
from hpnets.papers.spectral_bias.sizes import Sizes
from hpnets.statistics import spread
from hpnets.study import Above, Always, Below, Between, Claim, Results, Rises, labelled

Quantities = dict[str, Any]
ROUNDING = 1e-12
FALLS, SHARE, ODD = "fall of the exponent over N", "share of the trace in k > 2", "lambda_3, lambda_5 / trace"
ORDER, TIMES, GAIN = "k in order", "measured / predicted", "gain of k = 3, 4, 5"
OF_TRACE, OF_TOP = "growth of lambda_5 over that of K(x, x)", "growth of lambda_5 over that of lambda_max"
GONE, OFF, NOISE, LARGER = "half of k = 4 gone held out", "greatest difference", "low less high", "gain of the share"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    *spectra, raw = kernel_claims(sizes)
    return [*spectra, *speed_claims(sizes), raw, *memory_claims(sizes), *label_claims(sizes)]


def kernel_claims(sizes: Sizes) -> list[Claim]:
    """Of the spectrum of the limit kernel, of which nothing is drawn."""
    kernel = partial(Claim, where="its theorem on the NTK's spectrum")
    (low, high), (least, most) = sizes.paper_degrees, (f"{ODD}, N = {pick(sizes.degrees)}" for pick in (min, max))
    return [
        kernel(
            "The asymptotic exponent of the eigenvalues itself falls as the degree N grows (trap 1; our wording: what "
            "the literature states is a lower bound on eigenvalues, which is not judged here)",
            partial(decay, sizes=sizes),
            Above(FALLS, 0.2, each=True).contradicted_if(Below(FALLS, 0.1, each=True)),
            formula="lambda_k ~ k^-a",
        ),
        kernel(
            "What degree does change: odd k >= 3, absent from a two-layer ReLU kernel, are there; trace moves up in k",
            odd,
            Below(least, ROUNDING, each=True) & Above(most, ROUNDING, each=True) & Rises(SHARE, "N"),
            formula="lambda_3, lambda_5 > 0 for N > 1",
        ),
        kernel(
            f"The raw spectrum shows that gain (trap 2): lambda_5 grows more from N = {low} to {high} than the kernel",
            partial(growth, sizes=sizes),
            Above(OF_TRACE, 1) & Above(OF_TOP, 1),
            formula="lambda_5(N)",
        ),
    ]


def speed_claims(sizes: Sizes) -> list[Claim]:
    """Of the times at which harmonics are learnt."""
    training = partial(Claim, where="experiments on the sphere", seeds=sizes.seeds)
    fits = "A higher degree (N = {1} against {0}) fits high frequencies faster on training points"
    fits, formula = fits.format(*sizes.paper_degrees), "c_k(t) = c_k(0) exp(-2 lr lambda_k t)"
    gain = Above(GAIN, 1, each=True).contradicted_if_reversed()
    return [
        training(
            "Harmonics of lower degree are learnt first (the spectral bias), where points tell them apart (d = 3)",
            partial(order, sizes=sizes),
            Always(ORDER).contradicted_if_reversed(),
            formula="t_k < t_k' for k < k'",
        ),
        training(
            "The time to learn degree k is 1 / (2 lr lambda_k) up to a constant, where points tell k apart (d = 3)",
            partial(prediction, sizes=sizes),
            Between(TIMES, 1 / 2, 2, each=True),
            formula="t_k = log 2 / (2 lr lambda_k)",
        ),
        *(
            training(f"{fits}, {rate} (trap 2)", partial(gains, sizes=sizes, scaled=scaled), gain, formula=formula)
            for scaled, rate in ((False, f"at the paper's lr {LR} for both"), (True, "at lr scaled by 1 / lambda_max"))
        ),
    ]


def memory_claims(sizes: Sizes) -> list[Claim]:
    """Of what training on the points of the sphere says of the function, and of the network."""
    training = partial(Claim, where="experiments on the sphere", seeds=sizes.seeds)
    return [
        training(
            "The harmonics that vanish from the training residual have been learnt (as the metric suggests)",
            partial(unseen, sizes=sizes),
            Always(GONE).contradicted_if_reversed(),
            formula="c_k of y - f",
        ),
        training(
            f"The network follows its kernel (width {sizes.net_widths[-1]:,})",
            partial(network, sizes=sizes),
            Below(OFF, 0.1, each=True),
            formula="f_t = f_0 + (1 - exp(-2 lr K t / n)) y",
        ),
    ]


def label_claims(sizes: Sizes) -> list[Claim]:
    """Of noise in the labels of digits."""
    labels = partial(Claim, where="experiments with noisy labels, here on digits", seeds=sizes.seeds)
    share = f"share of sin(2 pi k s) fitted in {sizes.label_steps} steps"
    return [
        labels(
            "Label noise of low frequency is fitted before noise of high frequency",
            partial(noise, sizes=sizes),
            Above(NOISE, 0, each=True).contradicted_if_reversed(),
            formula=f"{share}, k = {sizes.frequencies[0]} less k = {sizes.frequencies[-1]}",
        ),
        labels(
            "A higher degree fits noise of high frequency faster (lr scaled by 1 / lambda_max)",
            partial(noise_gain, sizes=sizes),
            Above(LARGER, 0, each=True).contradicted_if_reversed(),
            formula=f"{share}, N = {sizes.label_degrees[-1]} less N = {sizes.label_degrees[0]}",
        ),
    ]


def decay(results: Results, sizes: Sizes) -> Quantities:
    last, first = sizes.windows[-1], sizes.windows[0]
    fits = {f"a, d = {d}, k = {last}": exponents(spectra(results, d), last) for d in sizes.spectrum_dims if d <= 5}
    falls = [max(fit.values()) - min(fit.values()) for fit in fits.values()]
    lower = exponents(spectra(results, 10), first)
    return {FALLS: falls, **fits, f"at lower k it even grows, d = 10, k = {first}": lower}


def odd(results: Results) -> Quantities:
    of = spectra(results, 10)
    odds = {n: {k: abs(each["eigenvalues"][k]) / each["trace"] for k in (3, 5)} for n, each in of.items()}
    made = {f"{ODD}, N = {n}": labelled("k", odds[n]) for n in (min(of), max(of))}
    return {**made, SHARE: labelled("N", {n: above(each, 2) for n, each in of.items()})}


def order(results: Results, sizes: Sizes) -> Quantities:
    degree, paper = max(sizes.degrees), max(sizes.paper_degrees)
    times = halves(linearised(results, 3, degree, sizes.width))
    wide = halves(linearised(results, 10, paper, sizes.paper_width))
    far = labelled("k", {k: " / ".join(f"{t:.2g}" for t in ts) for k, ts in wide.items() if k > 1})
    name = f"in order at d = 10, N = {paper}, width {sizes.paper_width:,}, where points do not tell high k apart"
    return {ORDER: in_order(times), "t": labelled("k", times), name: in_order(wide), "its t, each seed": far}


def prediction(results: Results, sizes: Sizes) -> Quantities:
    made: dict[int, list[float]] = {}
    for n, of in spectra(results, 3).items():
        if n > 1:
            for k, r in over_predicted(halves(linearised(results, 3, n, sizes.width)), of["eigenvalues"]).items():
                made.setdefault(k, []).extend(r)
    return {TIMES: labelled("k", made)}


def gains(results: Results, sizes: Sizes, scaled: bool) -> Quantities:
    width, degrees = sizes.paper_width, sizes.paper_degrees
    made = {}
    for part in ("train", "test"):
        low, high = (steps_to_learn(results, width, n, scaled, part) for n in degrees)
        made[part] = {k: [a / b for a, b in zip(low[k], high[k], strict=True)] for k in HARMONICS}
    kept = [k for k in HARMONICS if all(k in generalising(linearised(results, 10, n, width)) for n in degrees)]
    lost = ", ".join(str(k) for k in HARMONICS if k not in kept) or "none"
    shown = {GAIN: labelled("k", {k: made["train"][k] for k in (3, 4, 5)}), "of k = 1": made["train"][1]}
    return {**shown, "held out": labelled("k", {k: made["test"][k] for k in kept}), "only memorised, k": lost}


def growth(results: Results, sizes: Sizes) -> Quantities:
    of = spectra(results, 10)
    low, high = (of[n] for n in sizes.paper_degrees)
    raw, top = (high["eigenvalues"][k] / low["eigenvalues"][k] for k in (5, 0))
    trace = high["trace"] / low["trace"]
    whole = labelled("N", {n: f"{each['trace']:.4g}" for n, each in of.items()})
    folds = f"lambda_5 {raw:,.0f}-fold, K(x, x) {trace:,.0f}-fold, lambda_max {top:,.0f}-fold"
    return {OF_TRACE: raw / trace, OF_TOP: raw / top, "that is": folds, "K(x, x)": whole}


def unseen(results: Results, sizes: Sizes) -> Quantities:
    degree, i = sizes.paper_degrees[-1], HARMONICS.index(4)
    of = linearised(results, 10, degree, sizes.paper_width)
    return {
        GONE: [math.isfinite(t) for t in halves(of, "test")[4]],
        f"on the {sizes.samples} training points, N = {degree}, at t": halves(of)[4],
        "left at best, held out": [min(abs(row[i]) for row in rows) for rows in of.values("test")],
        "k of fewer harmonics than points": few(10, sizes.samples),
        "k that go held out too": generalising(of),
    }


def network(results: Results, sizes: Sizes) -> Quantities:
    split = results.of(network_training).split("degree", "width", "steps")
    off = {key: [off_linear(value) for value in of.values()] for key, of in split.items()}
    judged = [far for key, each in off.items() if key[1:] == (sizes.net_widths[-1], sizes.net_steps) for far in each]
    return {OFF: judged, "all": {"N = {}, width {:,}, {} steps".format(*key): each for key, each in off.items()}}


def noise(results: Results, sizes: Sizes) -> Quantities:
    of = fitted_noise(results.of(label_noise))
    ends = [(each[sizes.frequencies[0]], each[sizes.frequencies[-1]]) for each in of.values()]
    falls = [low - high for pair in ends for low, high in zip(*pair, strict=True)]
    return {NOISE: falls, **{f"N = {n}": labelled("k", each) for n, each in of.items()}}


def noise_gain(results: Results, sizes: Sizes) -> Quantities:
    one, most = (fitted_noise(results.of(label_noise))[sizes.label_degrees[i]][sizes.frequencies[-1]] for i in (0, -1))
    return {LARGER: [b - a for a, b in zip(one, most, strict=True)]}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences, traps 1 and 2 among them."""
    (low, high), dim = sizes.paper_degrees, sizes.spectrum_dims[0]
    a, b = (exponent(spectra(results, dim)[n], sizes.windows[-1]) for n in (low, high))
    first, last = (above(spectra(results, 10)[n], 2) for n in (low, high))
    raw, scaled = (spread(gains(results, sizes, scaled)[GAIN]["k = 5"], ".2g") for scaled in (False, True))
    return [
        "Networks with and without Hadamard products learn harmonics of low degree first where the data tell them "
        "apart, at the times that the eigenvalues of their kernels predict.",
        f"The degree N does not change how eigenvalues fall in the end (trap 1: k^-{a:.2f} at N = {low}, k^-{b:.2f} at "
        f"N = {high}, in R^{dim}), it moves trace to higher k: {first:.3f} to {last:.3f} of it to k > 2 in R^10.",
        f"The raw gain in speed is mostly scale (trap 2): degree {high} fits k = 5 faster than {low} by a factor "
        f"of {raw} at one learning rate, of {scaled} at rates scaled by 1 / lambda_max.",
        "What vanishes from the training residual need not have been learnt: on held-out points only the harmonics of "
        "the lowest degrees are.",
    ]
