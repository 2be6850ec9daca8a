"""Tables and pictures of the spectral bias study."""

from functools import partial
from typing import Any

from hpnets.papers.parts.harmonics import HARMONICS, draw_left, few, generalising, halves, over_predicted
from hpnets.papers.parts.noisy_labels import noise_figure
from hpnets.papers.parts.spectra import TEXT, draw_spectra, spectrum_table
from hpnets.papers.spectral_bias.cells import label_noise, linear_training
from hpnets.papers.spectral_bias.measures import LR, REFERENCE, STEPS, linearised, spectra, steps_a_unit, steps_to_learn
from hpnets.papers.spectral_bias.sizes import Sizes
from hpnets.statistics import mean, spread
from hpnets.study import Figure, Picture, Results

RATES = {False: f"lr {LR}", True: f"lr {LR} lambda_max(N = {REFERENCE}) / lambda_max(N)"}


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    made = [eigenvalue_figure(results, sizes, dim) for dim in sizes.spectrum_dims]
    made += [steps_figure(results, sizes, scaled) for scaled in (False, True)]
    made += [rates_figure(results, sizes, dim) for dim in sizes.dims]
    return [*made, noise_figure(results.of(label_noise))]


def eigenvalue_figure(results: Results, sizes: Sizes, dim: int) -> Figure:
    of, title = spectra(results, dim), f"Eigenvalues on the sphere in R^{dim}"
    picture = Picture("spectra.svg", f"{title}, of the limit kernel", partial(draw_spectra, of, dim), 2)
    table = spectrum_table(of, sizes.windows)
    return Figure(title, TEXT, *table, picture if dim == sizes.spectrum_dims[0] else None)


def steps_figure(results: Results, sizes: Sizes, scaled: bool) -> Figure:
    rows, last = [], sizes.paper_degrees[-1]
    for (n, width), runs in results.of(linear_training, dim=10).split("degree", "width").items():
        start = [r.value["start"] / r.value["size"] for r in runs]
        steps = steps_to_learn(results, width, n, scaled).values()
        rows.append((str(n), f"{width:,}", spread(start, ".2g"), *(spread(s, ".2g") for s in steps)))
    learnt = generalising(linearised(results, 10, last, sizes.paper_width))
    names = [f"k = {k}{'' if k in learnt else ' (memorised)'}" for k in HARMONICS]
    text = (
        f"Steps of {RATES[scaled]} until half of each harmonic is left in the training residual, d = 10; the paper "
        f"ends at {STEPS:,}. |f_0| / |y|: the network at its start against the target. Memorised: on held-out points "
        f"half of that k stays in some seed at N = {last}, width {sizes.paper_width:,}, or it has more harmonics than "
        "there are points."
    )
    about = "What is left of each harmonic on training points, d = 10 (vertical line: the paper's last step)"
    picture = Picture("steps.svg", about, partial(draw_steps, results, sizes), len(sizes.paper_degrees), 2)
    title = f"Steps to learn, {'normalised' if scaled else 'raw'} learning rate"
    return Figure(title, text, ("N", "width", "|f_0| / |y|", *names), tuple(rows), picture if scaled else None)


def rates_figure(results: Results, sizes: Sizes, dim: int) -> Figure:
    rows = []
    for n, of in spectra(results, dim).items():
        for part, known in (("train", HARMONICS), ("test", few(dim, sizes.samples))):
            times = halves(linearised(results, dim, n, sizes.width), part)
            ratios = over_predicted(times, of["eigenvalues"])
            texts = {k: spread(ratios[k], ".2g") if k in ratios else "lambda = 0" for k in known}
            rows.append((str(n), part, *(texts.get(k, "").replace("diverged", "never") for k in HARMONICS)))
    text = (
        f"Time at which half is left over log 2 / lambda_k, width {sizes.width:,}, n = {sizes.samples}, on the "
        "training points and on held-out ones (where there are fewer harmonics of that degree than points). Where "
        "there are more, points are fitted, as with a ridge of the sum of N(d, k) lambda_k / n over those k, sooner "
        "than the harmonic is learnt."
    )
    head = ("N", "points", *(f"k = {k}" for k in HARMONICS))
    return Figure(f"Measured over predicted time, d = {dim}", text, head, tuple(rows))


def draw_steps(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    kinds = [(degree, scaled) for scaled in (False, True) for degree in sizes.paper_degrees]
    for a, (degree, scaled) in zip(axes, kinds, strict=True):
        unit = mean(steps_a_unit(results, sizes.paper_width, degree, scaled))
        draw_left(a, linearised(results, 10, degree, sizes.paper_width), unit)
        a.axvline(STEPS, color="grey", lw=0.8)
        a.set(title=f"N = {degree}, lr {'scaled by 1 / lambda_max' if scaled else LR}", xlim=(1, 1e7))
