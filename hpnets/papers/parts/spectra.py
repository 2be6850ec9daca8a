"""Eigenvalues of limit kernels on the sphere: measured, read, as a table and as a picture."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from hpnets.study import labelled
from hpnets.study.charts import shades
from hpnets.theory import dot_product, limit_kernel, sphere_spectrum

Spectrum = dict[str, Any]
DEGREES_SHOWN = (0, 1, 2, 3, 4, 5, 8, 12)
TEXT = """lambda_k, raw / of the trace K(x, x), of the limit kernel, and the exponent a of lambda_k ~ k^-a fitted on \
windows of k (even k alone where odd ones are zero; none where rounding leaves fewer than three)."""


def limit_spectrum(net: nn.Module, dim: int, k_max: int, windows: list[list[int]]) -> Spectrum:
    """Funk-Hecke eigenvalues of the limit kernel on the sphere in R^dim, its trace, and their decay on windows of k."""
    spectrum = sphere_spectrum(dot_product(lambda a, b: limit_kernel(net, a, b).ntk, dim), dim, k_max)
    fits = {f"{a}-{b}": spectrum.decay((a, b)).exponent for a, b in windows}
    return {
        "eigenvalues": spectrum.eigenvalues.tolist(),
        "errors": spectrum.errors.tolist(),
        "multiplicities": list(spectrum.multiplicities),
        "trace": spectrum.trace,
        "decay": {window: value if math.isfinite(value) else None for window, value in fits.items()},
    }


def exponent(of: Spectrum, window: tuple[int, int]) -> float:
    """The exponent a of lambda_k ~ k^-a that was fitted on a window of k."""
    return float(of["decay"]["-".join(map(str, window))])


def exponents(spectra: Mapping[int, Spectrum], window: tuple[int, int]) -> dict[str, float]:
    """The exponents on a window, by the degree N, for N > 1; at N = 1 odd eigenvalues are 0."""
    return labelled("N", {n: exponent(of, window) for n, of in spectra.items() if n > 1})


def above(of: Spectrum, k: int) -> float:
    """The share of the trace that lies in degrees above k."""
    low = sum(n * l for n, l in zip(of["multiplicities"][: k + 1], of["eigenvalues"], strict=False))
    return float(1 - low / of["trace"])


def spectrum_table(
    spectra: Mapping[int, Spectrum], windows: Sequence[tuple[int, int]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Head and rows: for each N its trace, eigenvalues (raw / of the trace), and exponents."""
    rows = []
    for n, of in spectra.items():
        values, errors, trace = of["eigenvalues"], of["errors"], of["trace"]
        pairs = [f"{values[k]:.2e} / {values[k] / trace:.1e}" if values[k] > errors[k] else "0" for k in DEGREES_SHOWN]
        fits = ["" if a is None else f"{a:.2f}" for a in of["decay"].values()]
        rows.append((str(n), f"{trace:.4g}", *pairs, *fits))
    head = ("N", "K(x, x)", *(f"k = {k}" for k in DEGREES_SHOWN), *(f"a on {a}-{b}" for a, b in windows))
    return head, tuple(rows)


def draw_spectra(spectra: Mapping[int, Spectrum], dim: int, axes: list[Any]) -> None:
    """Draw the eigenvalues of each N over k, raw and of the trace, beside a line k^-dim."""
    ends = (max(spectra), min(spectra))  # whose last eigenvalue the line k^-d starts below
    for a, ylabel, end in zip(axes, ("lambda_k", "lambda_k / K(x, x)"), ends, strict=True):
        for n, style in shades(list(spectra)).items():
            of, scale = spectra[n], 1.0 if ylabel == "lambda_k" else spectra[n]["trace"]
            shown = {k: v / scale for k, v in enumerate(of["eigenvalues"]) if k and v > 10 * of["errors"][k]}
            a.loglog(list(shown), list(shown.values()), label=f"N = {n}", **{**style, "markersize": 3}, lw=0.8)
            if n == end:
                last = max(shown)
                a.loglog([8, last], [2 * shown[last] * (k / last) ** -dim for k in (8, last)], "k:", label=f"k^-{dim}")
        a.set(xlabel="degree k", ylabel=ylabel)
