"""Tables and pictures of the spectral bias study."""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.papers.parts.charts import band, chart, colours
from recipes.papers.parts.pages import Section, spread
from recipes.papers.parts.spectral.harmonics import HARMONICS, few, predicted_halves
from recipes.papers.parts.spectral.measures import (
    LR,
    REFERENCE,
    STEPS,
    Found,
    generalises,
    halves,
    scales,
    steps_to_learn,
)

if TYPE_CHECKING:
    from recipes.papers.spectral_bias import Sizes


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
        steps = steps_to_learn(found, seeds, width, n, mode)
        cells = [found[f"linear-10-{n}-{width}-{s}"] for s in seeds]
        start = spread([c["start"] / c["size"] for c in cells], 2)
        rows.append((str(n), f"{width:,}", start, *(spread(s, 2) for s in steps)))
    degree = sizes.paper_degrees[-1]
    learnt = generalises(found, degree, sizes.paper_width, seeds, sizes.samples)
    rate = f"lr {LR}" if mode == "raw" else f"lr {LR} lambda_max(N = {REFERENCE}) / lambda_max(N)"
    text = (
        f"Steps of {rate} until half of each harmonic is left in the training residual, d = 10; the paper ends at "
        f"{STEPS:,}. |f_0| / |y|: the network at its start against the target. Memorised: on held-out points half of "
        f"that k stays in some seed at N = {degree}, width {sizes.paper_width:,}, or it has more harmonics than there "
        "are points."
    )
    names = (f"k = {k}{'' if is_learnt else ' (memorised)'}" for k, is_learnt in zip(HARMONICS, learnt, strict=True))
    picture = "steps.svg" if mode == "normalised" else ""
    head = ("N", "width", "|f_0| / |y|", *names)
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
    unit = statistics.fmean(scales(found, seeds, sizes.paper_width, degree)[mode])
    # The times of the seeds' grids differ by their lambda_max, a per cent or so.
    steps = [statistics.fmean(c["times"][i] for c in cells) * unit for i in range(len(cells[0]["times"]))]
    for i, (k, colour) in enumerate(colours(list(map(str, HARMONICS))).items()):
        band(axes, steps, [[row[i] for row in c["train"]] for c in cells], f"k = {k}", color=colour)
    axes.axvline(STEPS, color="grey", ls="--", lw=0.8)
    rate = f"lr {LR}" if mode == "raw" else "lr scaled by 1 / lambda_max"
    axes.set(title=f"N = {degree}, {rate}", xlabel="steps (dashed: the paper's end)", xscale="log", xlim=(1, 1e7))
    axes.set_ylim(-0.1, 1.1)
