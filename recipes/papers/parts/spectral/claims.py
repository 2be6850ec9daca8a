"""The claims of the spectral bias study."""

import math
from typing import TYPE_CHECKING

from recipes.papers.parts.pages import Claim, spread, verdict
from recipes.papers.parts.spectral.harmonics import HARMONICS, few, predicted_halves
from recipes.papers.parts.spectral.measures import LR, Found, above, generalises, halves, steps_to_learn

if TYPE_CHECKING:
    from recipes.papers.spectral_bias import Sizes


def claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    """Every statement with what was measured."""
    made = [decay_claim(found, sizes), odd_claim(found, sizes), order_claim(found, sizes, seeds)]
    made += [prediction_claim(found, sizes, seeds), *faster_claims(found, sizes, seeds), scale_claim(found, sizes)]
    made += [unseen_claim(found, sizes, seeds), network_claim(found, sizes, seeds)]
    return [*made, *label_claims(found, sizes, seeds)]


def decay_claim(found: Found, sizes: "Sizes") -> Claim:
    window = "-".join(map(str, sizes.windows[-1]))
    texts, spreads = [], []
    for dim in [d for d in sizes.spectrum_dims if d <= 5]:
        fits = {n: found[f"spectrum-{dim}-{n}"]["decay"][window] for n in sizes.degrees if n > 1}
        texts.append(f"d = {dim}: " + ", ".join(f"{value:.2f} (N = {n})" for n, value in fits.items()))
        spreads.append(max(fits.values()) - min(fits.values()))
    first = "-".join(map(str, sizes.windows[0]))
    low = {n: found[f"spectrum-10-{n}"]["decay"][first] for n in sizes.degrees if n > 1}
    early = f"d = 10, k = {first}: " + ", ".join(f"{value:.2f} (N = {n})" for n, value in low.items())
    return Claim(
        "The asymptotic exponent of the eigenvalues itself falls as the degree N grows (trap 1; our wording: what the "
        "literature states is a lower bound on eigenvalues, which is not judged here)",
        f"exponent fitted on k = {window} smaller by 0.2 or more at the highest N; contradicted if all within 0.1",
        f"k^-a with a: {'; '.join(texts)}. At lower k it even grows with N: {early}",
        0,
        verdict(min(spreads) > 0.2, max(spreads) < 0.1),
    )


def odd_claim(found: Found, sizes: "Sizes") -> Claim:
    one, most = (found[f"spectrum-10-{n}"] for n in (min(sizes.degrees), max(sizes.degrees)))
    odd = [max(abs(one["eigenvalues"][k]) / one["trace"] for k in (3, 5)), most["eigenvalues"][5] / most["trace"]]
    return Claim(
        "What degree does change: odd k >= 3, absent from a two-layer ReLU kernel, are there, and trace moves up in k",
        "lambda_3 and lambda_5 zero to rounding at N = 1, not at the highest N; trace share of k > 2 grows with N",
        f"lambda_5 / trace {odd[0]:.1g} at N = 1, {odd[1]:.2g} at N = {max(sizes.degrees)}; share of k > 2: "
        + ", ".join(f"{above(found[f'spectrum-10-{n}'], 2):.3f} (N = {n})" for n in sizes.degrees),
        0,
        verdict(odd[0] < 1e-12 < odd[1] and above(one, 2) < above(most, 2)),
    )


def order_claim(found: Found, sizes: "Sizes", seeds: list[int]) -> Claim:
    degree = max(sizes.degrees)
    times = halves(found, 3, degree, sizes.width, seeds, "train")
    ordered = [column == tuple(sorted(column)) for column in zip(*times, strict=True)]
    return Claim(
        "Harmonics of lower degree are learnt first (the spectral bias itself), where points tell them apart (d = 3)",
        f"times to learn k = {', '.join(map(str, HARMONICS))} in this order for each seed (d = 3, N = {degree})",
        f"t = 2 lr steps: {', '.join(f'{spread(t, 2)} (k = {k})' for k, t in zip(HARMONICS, times, strict=True))}. "
        f"{unordered(found, sizes, seeds)}",
        len(seeds),
        verdict(all(ordered), not any(ordered)),
    )


def unordered(found: Found, sizes: "Sizes", seeds: list[int]) -> str:
    """For how many seeds the order holds at d = 10, and the times of the harmonics at either end of the failure."""
    degree = max(sizes.paper_degrees)
    times = halves(found, 10, degree, sizes.paper_width, seeds, "train")
    ordered = sum(column == tuple(sorted(column)) for column in zip(*times, strict=True))
    shown = ", ".join(
        f"k = {k} at {' / '.join(f'{t:.2g}' for t in times[HARMONICS.index(k)])}" for k in (3, 4, 5, 8, 12)
    )
    return (
        f"At d = 10 (N = {degree}, width {sizes.paper_width:,}), where points do not tell high k apart, the order "
        f"holds for {ordered} of {len(seeds)} seeds: {shown}, each seed"
    )


def prediction_claim(found: Found, sizes: "Sizes", seeds: list[int]) -> Claim:
    ratios: dict[int, list[float]] = {}
    for degree in [n for n in sizes.degrees if n > 1]:
        predicted = predicted_halves(found[f"spectrum-3-{degree}"]["eigenvalues"])
        for k, times, p in zip(
            HARMONICS, halves(found, 3, degree, sizes.width, seeds, "train"), predicted, strict=True
        ):
            ratios.setdefault(k, []).extend(t / p for t in times if p)
    worst = max(abs(math.log(r)) for values in ratios.values() for r in values)
    return Claim(
        "The time to learn degree k is 1 / (2 lr lambda_k) up to a constant, lambda_k the kernel's eigenvalue",
        "d = 3, where the points tell harmonics apart: within a factor of 2 of log 2 / (2 lr lambda_k), each k and N",
        "measured / predicted, mean +- std over seeds and N > 1 together: "
        + ", ".join(f"{spread(v, 2)} (k = {k})" for k, v in ratios.items()),
        len(seeds),
        verdict(worst < math.log(2)),
    )


def faster_claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    low, high = sizes.paper_degrees
    made = []
    for mode, rate in (("raw", f"at the paper's lr {LR} for both"), ("normalised", "at lr scaled by 1 / lambda_max")):
        steps = {n: steps_to_learn(found, seeds, sizes.paper_width, n, mode) for n in (low, high)}
        gains = [[a / b for a, b in zip(x, y, strict=True)] for x, y in zip(steps[low], steps[high], strict=True)]
        shown = [1, 2, 3]  # k = 3, 4, 5
        held = held_out(found, sizes, seeds, mode)
        made.append(
            Claim(
                f"A higher degree fits high frequencies faster on training points, {rate} (trap 2)",
                f"steps to half of k = 3, 4 and 5 fewer at N = {high} than at N = {low}, for each seed",
                "fewer by a factor of "
                + ", ".join(f"{spread(gains[i], 2)} (k = {HARMONICS[i]})" for i in shown)
                + f"; k = 1: {spread(gains[0], 2)}. {held}",
                len(seeds),
                verdict(all(g > 1 for i in shown for g in gains[i]), all(g < 1 for i in shown for g in gains[i])),
            )
        )
    return made


def held_out(found: Found, sizes: "Sizes", seeds: list[int], mode: str) -> str:
    """The factors of `faster_claims` on held-out points, for the harmonics that generalise; the others named."""
    low, high = sizes.paper_degrees
    width = sizes.paper_width
    kept = [generalises(found, n, width, seeds, sizes.samples) for n in (low, high)]
    slow, fast = (steps_to_learn(found, seeds, width, n, mode, "test") for n in (low, high))
    texts, memorised = [], []
    for i, k in enumerate(HARMONICS):
        if all(row[i] for row in kept):
            texts.append(f"{spread([a / b for a, b in zip(slow[i], fast[i], strict=True)], 2)} (k = {k})")
        else:
            memorised.append(str(k))
    return f"On held-out points: {', '.join(texts) or 'none'}; k = {', '.join(memorised)} only memorised"


def scale_claim(found: Found, sizes: "Sizes") -> Claim:
    low, high = (found[f"spectrum-10-{n}"] for n in sizes.paper_degrees)
    raw = high["eigenvalues"][5] / low["eigenvalues"][5]
    top = high["eigenvalues"][0] / low["eigenvalues"][0]
    trace = high["trace"] / low["trace"]
    return Claim(
        "The raw spectrum shows that gain (trap 2)",
        f"lambda_5 grows more from N = {sizes.paper_degrees[0]} to {sizes.paper_degrees[1]} than the kernel as a whole",
        f"lambda_5 {raw:,.0f}-fold, of which the scale: K(x, x) {trace:,.0f}-fold, lambda_max {top:,.0f}-fold; what "
        f"remains is {raw / trace:.1f} of the trace and {raw / top:.1f} of lambda_max. K(x, x): "
        + ", ".join(f"{found[f'spectrum-10-{n}']['trace']:.4g} (N = {n})" for n in sizes.degrees),
        0,
        verdict(raw > trace and raw > top),
    )


def unseen_claim(found: Found, sizes: "Sizes", seeds: list[int]) -> Claim:
    degree = sizes.paper_degrees[-1]
    train, test = (halves(found, 10, degree, sizes.paper_width, seeds, part) for part in ("train", "test"))
    i = HARMONICS.index(4)
    known = few(10, sizes.samples)
    kept = generalises(found, degree, sizes.paper_width, seeds, sizes.samples)
    best = [min(abs(row[i]) for row in found[f"linear-10-{degree}-{sizes.paper_width}-{s}"]["test"]) for s in seeds]
    return Claim(
        "The harmonics that vanish from the training residual have been learnt (as the metric suggests)",
        "half of k = 4 is gone on held-out points too",
        f"N = {degree}: half of k = 4 is gone on the {sizes.samples} training points at t = {spread(train[i], 2)}; "
        f"held out, {spread(best, 2)} of it is left at best. There are fewer harmonics than points only for k = "
        f"{', '.join(str(k) for k, is_few in zip(HARMONICS, known, strict=True) if is_few)}; half of it goes held out "
        f"too only for k = {', '.join(str(k) for k, is_kept in zip(HARMONICS, kept, strict=True) if is_kept)}: the "
        "others are memorised",
        len(seeds),
        verdict(all(math.isfinite(t) for t in test[i]), not any(math.isfinite(t) for t in test[i])),
    )


def network_claim(found: Found, sizes: "Sizes", seeds: list[int]) -> Claim:
    off = {
        (degree, w): [distance(found[f"network-{degree}-{w}-{s}"]) for s in seeds]
        for degree in sizes.net_degrees
        for w in sizes.net_widths
    }
    wide = [distance(found[f"network-3-{sizes.paper_width}-{s}"]) for s in seeds]
    last = sizes.net_widths[-1]
    texts = [f"N = {n}, width {w}: {spread(v, 2)}" for (n, w), v in off.items()]
    return Claim(
        "The network follows its kernel",
        f"what is left of each harmonic within 0.1 of the linearised network at width {last}, each seed",
        f"greatest difference over {sizes.net_steps} steps: {'; '.join(texts)}; over {sizes.wide_steps} steps N = 3, "
        f"width {sizes.paper_width}: {spread(wide, 2)}",
        len(seeds),
        verdict(all(max(off[n, last]) < 0.1 for n in sizes.net_degrees)),
    )


def distance(cell: Found) -> float:
    """The greatest difference between the network's and the linearised network's rests."""
    return max(
        abs(a - b) for f, g in zip(cell["train"], cell["linear"], strict=True) for a, b in zip(f, g, strict=True)
    )


def label_claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    low, high = sizes.frequencies[0], sizes.frequencies[-1]
    fitted = {
        (n, k): [found[f"label-{n}-{k}-{s}"]["noise"] for s in seeds]
        for n in sizes.label_degrees
        for k in sizes.frequencies
    }
    text = "; ".join(
        f"N = {n}: " + ", ".join(f"{spread(fitted[n, k], 2)} (k = {k})" for k in sizes.frequencies)
        for n in sizes.label_degrees
    )
    first, last = sizes.label_degrees[0], sizes.label_degrees[-1]
    gains = [b - a for a, b in zip(fitted[first, high], fitted[last, high], strict=True)]
    falls = [a - b for n in sizes.label_degrees for a, b in zip(fitted[n, low], fitted[n, high], strict=True)]
    return [
        Claim(
            "Label noise of low frequency is fitted before noise of high frequency (digits)",
            f"more of sin(2 pi k s) fitted in {sizes.label_steps} steps at k = {low} than at {high}, each N and seed",
            text,
            len(seeds),
            verdict(min(falls) > 0, max(falls) < 0),
        ),
        Claim(
            "A higher degree fits noise of high frequency faster (digits, lr scaled by 1 / lambda_max)",
            f"share of k = {high} fitted larger at N = {last} than at N = {first}, for each seed",
            f"larger by {spread(gains, 2)}",
            len(seeds),
            verdict(min(gains) > 0, max(gains) < 0),
        ),
    ]
