"""Claims, tables and pictures of the spectral bias study."""

import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.papers.parts.charts import band, chart, colours
from recipes.papers.parts.harmonics import HARMONICS, few, half_time, predicted_halves
from recipes.papers.parts.pages import Claim, Section, spread, verdict

if TYPE_CHECKING:
    from recipes.papers.spectral_bias import Sizes

Found = dict[str, Any]
# The paper's own schedule.
LR, STEPS = 0.0016, 30_000
REFERENCE = 3  # the degree whose learning rate stays LR when rates are scaled by 1 / lambda_max


def about(sizes: "Sizes") -> str:
    """What was run."""
    widths, low = ", ".join(map(str, sizes.net_widths)), ", ".join(map(str, sizes.paper_degrees))
    return f"""The second half of Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product"
(arXiv 2209.07736): `pnn_skip`, N(0, 1) weights, no bias, n = {sizes.samples} points uniform on the sphere in R^10, the
target a sum of zonal harmonics of degree k = {", ".join(map(str, HARMONICS))} with amplitude 0.1, full-batch gradient
descent on the mean squared error, lr {LR}.

What was run of the paper's {STEPS:,} steps at width 32,768: the whole schedule, and beyond it, of the network
linearised at its start, that is with its exact kernel at width {sizes.paper_width:,} (degrees N = {low}; all N, and
d = 3, at width {sizes.width:,}); of the network itself {sizes.net_steps} steps at widths {widths}, and
{sizes.wide_steps} at width {sizes.paper_width:,}, at lr = 0.5 / lambda_max. It is f - f_0 that is trained: f_0 alone is
many times as large as the target (see the table of steps). Eigenvalues are those of the infinitely wide network, by
`hpnets.theory`; k counts as learnt when half of its zonal coefficient is left in the residual."""


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
        "Eigenvalues decay more slowly the higher the degree N (trap 1)",
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


def above(spectrum: Found, k: int) -> float:
    """The share of the trace that lies in degrees above k."""
    low = sum(n * l for n, l in zip(spectrum["multiplicities"][: k + 1], spectrum["eigenvalues"], strict=False))
    return 1 - low / spectrum["trace"]


def halves(found: Found, dim: int, degree: int, width: int, seeds: list[int], part: str) -> list[list[float]]:
    """For each harmonic, the time at which half is left, of each seed."""
    cells = [found[f"linear-{dim}-{degree}-{width}-{s}"] for s in seeds]
    return [[half_time(c["times"], [row[i] for row in c[part]]) for c in cells] for i in range(len(HARMONICS))]


def order_claim(found: Found, sizes: "Sizes", seeds: list[int]) -> Claim:
    degree = max(sizes.degrees)
    times = halves(found, 3, degree, sizes.width, seeds, "train")
    ordered = [column == tuple(sorted(column)) for column in zip(*times, strict=True)]
    return Claim(
        "Harmonics of lower degree are learnt first (the spectral bias itself)",
        f"times to learn k = {', '.join(map(str, HARMONICS))} in this order for each seed (d = 3, N = {degree})",
        f"t = 2 lr steps: {', '.join(f'{spread(t, 2)} (k = {k})' for k, t in zip(HARMONICS, times, strict=True))}",
        len(seeds),
        verdict(all(ordered), not any(ordered)),
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
        "measured / predicted: " + ", ".join(f"{spread(v, 2)} (k = {k})" for k, v in ratios.items()),
        len(seeds),
        verdict(worst < math.log(2)),
    )


def scales(found: Found, sizes: "Sizes", seeds: list[int], width: int, degree: int) -> dict[str, list[float]]:
    """Steps in one unit of t, of each seed: at lr = LR, and at LR lambda_max(REFERENCE) / lambda_max."""
    own, reference = ([found[f"linear-10-{n}-{width}-{s}"]["lambda_max"] for s in seeds] for n in (degree, REFERENCE))
    raw = 1 / (2 * LR)
    return {"raw": [raw] * len(seeds), "normalised": [raw * a / b for a, b in zip(own, reference, strict=True)]}


def steps_to_learn(
    found: Found, sizes: "Sizes", seeds: list[int], width: int, degree: int, mode: str
) -> list[list[float]]:
    """For each harmonic, the steps until half is left on the training points, d = 10, of each seed."""
    unit = scales(found, sizes, seeds, width, degree)[mode]
    times = halves(found, 10, degree, width, seeds, "train")
    return [[t * u for t, u in zip(ts, unit, strict=True)] for ts in times]


def faster_claims(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Claim]:
    low, high = sizes.paper_degrees
    made = []
    for mode, rate in (("raw", f"at the paper's lr {LR} for both"), ("normalised", "at lr scaled by 1 / lambda_max")):
        steps = {n: steps_to_learn(found, sizes, seeds, sizes.paper_width, n, mode) for n in (low, high)}
        gains = [[a / b for a, b in zip(x, y, strict=True)] for x, y in zip(steps[low], steps[high], strict=True)]
        shown = [1, 2, 3]  # k = 3, 4, 5
        made.append(
            Claim(
                f"A higher degree learns high frequencies faster, {rate} (trap 2)",
                f"steps to learn k = 3, 4 and 5 fewer at N = {high} than at N = {low}, for each seed",
                "fewer by a factor of "
                + ", ".join(f"{spread(gains[i], 2)} (k = {HARMONICS[i]})" for i in shown)
                + f"; k = 1: {spread(gains[0], 2)}",
                len(seeds),
                verdict(all(g > 1 for i in shown for g in gains[i]), all(g < 1 for i in shown for g in gains[i])),
            )
        )
    return made


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
    best = [min(abs(row[i]) for row in found[f"linear-10-{degree}-{sizes.paper_width}-{s}"]["test"]) for s in seeds]
    return Claim(
        "The harmonics that vanish from the training residual have been learnt (as the metric suggests)",
        "half of k = 4 is gone on held-out points too",
        f"N = {degree}: half of k = 4 is gone on the {sizes.samples} training points at t = {spread(train[i], 2)}; "
        f"held out, {spread(best, 2)} of it is left at best. There are fewer harmonics than points only for k = "
        f"{', '.join(str(k) for k, is_few in zip(HARMONICS, known, strict=True) if is_few)}: the others are memorised",
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


def sections(found: Found, sizes: "Sizes", seeds: list[int]) -> list[Section]:
    """The tables, with their pictures."""
    made = [spectrum_section(found, sizes, dim) for dim in sizes.spectrum_dims]
    made[0] = Section(made[0].title, made[0].text, made[0].head, made[0].rows, "spectra.svg")
    made += [steps_section(found, sizes, seeds, mode) for mode in ("raw", "normalised")]
    made += [rates_section(found, sizes, seeds, dim) for dim in sizes.dims]
    return [*made, label_section(found, sizes, seeds)]


def spectrum_section(found: Found, sizes: "Sizes", dim: int) -> Section:
    shown = (0, 1, 2, 3, 4, 5, 8, 12)
    rows = []
    for n in sizes.degrees:
        cell = found[f"spectrum-{dim}-{n}"]
        values, errors, trace = cell["eigenvalues"], cell["errors"], cell["trace"]
        fits = [cell["decay"]["-".join(map(str, w))] for w in sizes.windows]
        lambdas = [f"{values[k]:.2e} / {values[k] / trace:.1e}" if values[k] > errors[k] else "0" for k in shown]
        rows.append((str(n), f"{trace:.4g}", *lambdas, *("" if a is None else f"{a:.2f}" for a in fits)))
    text = (
        "lambda_k, raw / of the trace K(x, x), of the limit kernel, and the exponent a of lambda_k ~ k^-a fitted on "
        "windows of k (even k alone where odd ones are zero; none where rounding leaves fewer than three)."
    )
    head = ("N", "K(x, x)", *(f"k = {k}" for k in shown), *(f"a on {a}-{b}" for a, b in sizes.windows))
    return Section(f"Eigenvalues on the sphere in R^{dim}", text, head, tuple(rows))


def steps_section(found: Found, sizes: "Sizes", seeds: list[int], mode: str) -> Section:
    rows = []
    runs = [(n, sizes.width) for n in sizes.degrees] + [(n, sizes.paper_width) for n in sizes.paper_degrees]
    for n, width in runs:
        steps = steps_to_learn(found, sizes, seeds, width, n, mode)
        cells = [found[f"linear-10-{n}-{width}-{s}"] for s in seeds]
        start = spread([c["start"] / c["size"] for c in cells], 2)
        rows.append((str(n), f"{width:,}", start, *(spread(s, 2) for s in steps)))
    rate = f"lr {LR}" if mode == "raw" else f"lr {LR} lambda_max(N = {REFERENCE}) / lambda_max(N)"
    text = (
        f"Steps of {rate} until half of each harmonic is left in the training residual, d = 10; the paper ends at "
        f"{STEPS:,}. |f_0| / |y|: the network at its start against the target."
    )
    picture = "steps.svg" if mode == "normalised" else ""
    head = ("N", "width", "|f_0| / |y|", *(f"k = {k}" for k in HARMONICS))
    return Section(f"Steps to learn, {mode} learning rate", text, head, tuple(rows), picture)


def rates_section(found: Found, sizes: "Sizes", seeds: list[int], dim: int) -> Section:
    rows = []
    for n in sizes.degrees:
        predicted = predicted_halves(found[f"spectrum-{dim}-{n}"]["eigenvalues"])
        for part in ("train", "test"):
            known = [part == "train" or is_few for is_few in few(dim, sizes.samples)]
            times = halves(found, dim, n, sizes.width, seeds, part)
            entries = [
                spread([t / p for t in ts], 2).replace("diverged", "never")
                if p and ok
                else ""
                if not ok
                else "lambda = 0"
                for ts, p, ok in zip(times, predicted, known, strict=True)
            ]
            rows.append((str(n), part, *entries))
    text = (
        f"Time at which half is left over log 2 / lambda_k, width {sizes.width:,}, n = {sizes.samples}, on the "
        "training points and on held-out ones (where there are fewer harmonics of that degree than points). Where "
        "there are more, points are fitted, as with a ridge of the sum of N(d, k) lambda_k / n over those k, sooner "
        "than the harmonic is learnt."
    )
    head = ("N", "points", *(f"k = {k}" for k in HARMONICS))
    return Section(f"Measured over predicted time, d = {dim}", text, head, tuple(rows))


def label_section(found: Found, sizes: "Sizes", seeds: list[int]) -> Section:
    rows = []
    for n in sizes.label_degrees:
        for k in sizes.frequencies:
            cells = [found[f"label-{n}-{k}-{s}"] for s in seeds]
            shares = [spread([c[key] for c in cells], 2) for key in ("clean", "noise")]
            linear = [spread([c["linear"][key] for c in cells], 2) for key in ("clean", "noise")]
            rows.append((str(n), str(k), *shares, *linear, spread([c["test"] for c in cells], 2)))
    text = (
        f"Parity of {sizes.label_samples} digits (+-1) plus sqrt(2) sin(2 pi k s), s the first principal component "
        f"scaled to [0, 1]: the share of each that is fitted after {sizes.label_steps} steps of lr = 0.5 / lambda_max, "
        f"width {sizes.label_width}; the same of the linearised network; its squared error to the clean test labels."
    )
    head = ("N", "k", "clean", "noise", "clean, linearised", "noise, linearised", "test error")
    return Section("Label noise on digits", text, head, tuple(rows))


def draw(out: Path, found: Found, sizes: "Sizes", seeds: list[int]) -> None:
    """spectra.svg and steps.svg."""
    dim = sizes.spectrum_dims[0]
    with chart(out / "spectra.svg", 2, f"Eigenvalues of the limit kernel on the sphere in R^{dim}") as (raw, share):
        for n, colour in colours(list(map(str, sizes.degrees))).items():
            cell = found[f"spectrum-{dim}-{n}"]
            k = [k for k in range(1, sizes.k_max + 1) if cell["eigenvalues"][k] > 10 * cell["errors"][k]]
            for axes, by in ((raw, 1.0), (share, cell["trace"])):
                axes.loglog(
                    k, [cell["eigenvalues"][i] / by for i in k], ".-", color=colour, label=f"N = {n}", lw=0.8, ms=3
                )
        for axes, title, N in ((raw, "raw", max(sizes.degrees)), (share, "of the trace", min(sizes.degrees))):
            cell = found[f"spectrum-{dim}-{N}"]
            end = [k for k in range(sizes.k_max + 1) if cell["eigenvalues"][k] > 10 * cell["errors"][k]][-1]
            height = 2 * cell["eigenvalues"][end] / (1 if axes is raw else cell["trace"])
            ks = [8, end]
            axes.loglog(ks, [height * (k / end) ** -dim for k in ks], "--", color="grey", label=f"k^-{dim}")
            axes.set(title=title, xlabel="k", ylabel="lambda_k")
    degrees = sizes.paper_degrees
    with chart(
        out / "steps.svg", len(degrees), "What is left of each harmonic on training points, d = 10", 2
    ) as panels:
        kinds = [(degree, mode) for mode in ("raw", "normalised") for degree in degrees]
        for panel, (degree, mode) in zip(panels, kinds, strict=True):
            steps_panel(panel, found, sizes, seeds, degree, mode)


def steps_panel(axes: Any, found: Found, sizes: "Sizes", seeds: list[int], degree: int, mode: str) -> None:
    cells = [found[f"linear-10-{degree}-{sizes.paper_width}-{s}"] for s in seeds]
    unit = statistics.fmean(scales(found, sizes, seeds, sizes.paper_width, degree)[mode])
    # The times of the seeds' grids differ by their lambda_max, a per cent or so.
    steps = [statistics.fmean(c["times"][i] for c in cells) * unit for i in range(len(cells[0]["times"]))]
    for i, (k, colour) in enumerate(colours(list(map(str, HARMONICS))).items()):
        band(axes, steps, [[row[i] for row in c["train"]] for c in cells], f"k = {k}", color=colour)
    axes.axvline(STEPS, color="grey", ls="--", lw=0.8)
    rate = f"lr {LR}" if mode == "raw" else "lr scaled by 1 / lambda_max"
    axes.set(title=f"N = {degree}, {rate}", xlabel="steps (dashed: the paper's end)", xscale="log", xlim=(1, 1e7))
    axes.set_ylim(-0.1, 1.1)
