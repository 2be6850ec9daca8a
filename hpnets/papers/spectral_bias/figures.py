"""Tables and pictures of the spectral bias study."""

from functools import partial
from typing import Any

from hpnets.papers.spectral_bias.harmonics import HARMONICS, few, label_noise, linear_training, predicted_halves
from hpnets.papers.spectral_bias.measures import (
    LR,
    REFERENCE,
    STEPS,
    generalising,
    halves,
    spectrum,
    steps_a_unit,
    steps_to_learn,
)
from hpnets.papers.spectral_bias.sizes import Sizes
from hpnets.statistics import mean, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import band, shades, without_marker

DEGREES_SHOWN = (0, 1, 2, 3, 4, 5, 8, 12)
RATES = {False: f"lr {LR}", True: f"lr {LR} lambda_max(N = {REFERENCE}) / lambda_max(N)"}
LABELS = {
    "clean": ("clean",),
    "noise": ("noise",),
    "clean, linearised": ("linear", "clean"),
    "noise, linearised": ("linear", "noise"),
    "test error": ("test",),
}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    made = [eigenvalue_figure(results, sizes, dim) for dim in sizes.spectrum_dims]
    made += [steps_figure(results, sizes, scaled) for scaled in (False, True)]
    made += [rates_figure(results, sizes, dim) for dim in sizes.dims]
    text = (
        f"Parity of {sizes.label_samples} digits (+-1) plus sqrt(2) sin(2 pi k s), s the first principal component "
        f"scaled to [0, 1], k the frequency: the share of each that is fitted after {sizes.label_steps} steps of lr = "
        f"0.5 / lambda_max, width {sizes.label_width}; the same of the linearised network; its squared error to the "
        "clean test labels."
    )
    labels = spread_table(results.of(label_noise), ("degree", "frequency"), LABELS, ".2g")
    return [*made, Figure("Label noise on digits", text, *labels)]


def eigenvalue_figure(results: Results, sizes: Sizes, dim: int) -> Figure:
    rows = []
    for n in sizes.degrees:
        of = spectrum(results, dim, n)
        values, errors, trace = of["eigenvalues"], of["errors"], of["trace"]
        pairs = [f"{values[k]:.2e} / {values[k] / trace:.1e}" if values[k] > errors[k] else "0" for k in DEGREES_SHOWN]
        fits = ["" if a is None else f"{a:.2f}" for a in of["decay"].values()]
        rows.append((str(n), f"{trace:.4g}", *pairs, *fits))
    text = (
        "lambda_k, raw / of the trace K(x, x), of the limit kernel, and the exponent a of lambda_k ~ k^-a fitted on "
        "windows of k (even k alone where odd ones are zero; none where rounding leaves fewer than three)."
    )
    head = ("N", "K(x, x)", *(f"k = {k}" for k in DEGREES_SHOWN), *(f"a on {a}-{b}" for a, b in sizes.windows))
    title = f"Eigenvalues on the sphere in R^{dim}"
    picture = Picture("spectra.svg", f"{title}, of the limit kernel", partial(draw_spectra, results, sizes, dim), 2)
    return Figure(title, text, head, tuple(rows), picture if dim == sizes.spectrum_dims[0] else None)


def steps_figure(results: Results, sizes: Sizes, scaled: bool) -> Figure:
    rows, last = [], sizes.paper_degrees[-1]
    for (n, width), runs in results.of(linear_training, dim=10).split("degree", "width").items():
        start = [r.value["start"] / r.value["size"] for r in runs]
        steps = steps_to_learn(results, width, n, scaled).values()
        rows.append((str(n), f"{width:,}", spread(start, ".2g"), *(spread(s, ".2g") for s in steps)))
    learnt = generalising(results, last, sizes.paper_width, sizes.samples)
    names = [f"k = {k}{'' if k in learnt else ' (memorised)'}" for k in HARMONICS]
    text = (
        f"Steps of {RATES[scaled]} until half of each harmonic is left in the training residual, d = 10; the paper "
        f"ends at {STEPS:,}. |f_0| / |y|: the network at its start against the target. Memorised: on held-out points "
        f"half of that k stays in some seed at N = {last}, width {sizes.paper_width:,}, or it has more harmonics than "
        "there are points."
    )
    picture = Picture(
        "steps.svg",
        "What is left of each harmonic on training points, d = 10 (vertical line: the paper's last step)",
        partial(draw_steps, results, sizes),
        len(sizes.paper_degrees),
        2,
    )
    title = f"Steps to learn, {'normalised' if scaled else 'raw'} learning rate"
    return Figure(title, text, ("N", "width", "|f_0| / |y|", *names), tuple(rows), picture if scaled else None)


def rates_figure(results: Results, sizes: Sizes, dim: int) -> Figure:
    rows = []
    for n in sizes.degrees:
        predicted = predicted_halves(spectrum(results, dim, n)["eigenvalues"])
        for part in ("train", "test"):
            times = halves(results, dim, n, sizes.width, part)
            known = HARMONICS if part == "train" else few(dim, sizes.samples)
            ratios = {
                k: spread([t / predicted[k] for t in times[k]], ".2g") if k in predicted else "lambda = 0"
                for k in known
            }
            rows.append((str(n), part, *(ratios.get(k, "").replace("diverged", "never") for k in HARMONICS)))
    text = (
        f"Time at which half is left over log 2 / lambda_k, width {sizes.width:,}, n = {sizes.samples}, on the "
        "training points and on held-out ones (where there are fewer harmonics of that degree than points). Where "
        "there are more, points are fitted, as with a ridge of the sum of N(d, k) lambda_k / n over those k, sooner "
        "than the harmonic is learnt."
    )
    head = ("N", "points", *(f"k = {k}" for k in HARMONICS))
    return Figure(f"Measured over predicted time, d = {dim}", text, head, tuple(rows))


def draw_spectra(results: Results, sizes: Sizes, dim: int, axes: list[Any]) -> None:
    ends = (max(sizes.degrees), min(sizes.degrees))  # whose last eigenvalue the line k^-d starts below
    for a, ylabel, end in zip(axes, ("lambda_k", "lambda_k / K(x, x)"), ends, strict=True):
        for n, style in shades(sizes.degrees).items():
            of = spectrum(results, dim, n)
            scale = 1.0 if ylabel == "lambda_k" else of["trace"]
            shown = {k: v / scale for k, v in enumerate(of["eigenvalues"]) if k and v > 10 * of["errors"][k]}
            a.loglog(list(shown), list(shown.values()), label=f"N = {n}", **{**style, "markersize": 3}, lw=0.8)
            if n == end:
                last = max(shown)
                a.loglog([8, last], [2 * shown[last] * (k / last) ** -dim for k in (8, last)], "k:", label=f"k^-{dim}")
        a.set(xlabel="degree k", ylabel=ylabel)


def draw_steps(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    kinds = [(degree, scaled) for scaled in (False, True) for degree in sizes.paper_degrees]
    for a, (degree, scaled) in zip(axes, kinds, strict=True):
        cells = results.of(linear_training, dim=10, degree=degree, width=sizes.paper_width).values()
        unit = mean(steps_a_unit(results, sizes.paper_width, degree, scaled))
        # The times of the seeds' grids differ by their lambda_max, a per cent or so.
        steps = [mean(times) * unit for times in zip(*(c["times"] for c in cells), strict=True)]
        for i, (k, style) in enumerate(shades(HARMONICS).items()):
            curves = [[row[i] for row in c["train"]] for c in cells]
            band(a, steps, curves, f"k = {k}", without_marker(style))
        a.axvline(STEPS, color="grey", lw=0.8)
        a.set(
            title=f"N = {degree}, lr {'scaled by 1 / lambda_max' if scaled else LR}",
            xlabel="steps",
            ylabel="left, of 1",
        )
        a.set(xscale="log", xlim=(1, 1e7), ylim=(-0.1, 1.1))
