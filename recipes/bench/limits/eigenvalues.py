"""Eigenvalues on the sphere, compared with the 40-digit quadrature in tests/theory/eigenvalues.json."""

import json
from decimal import Decimal
from typing import Any

from hpnets.statistics import table as markdown
from hpnets.theory import sphere_spectrum
from tests.theory.kappas import multiplicative, skip, two_layer
from tests.theory.sphere_oracle import DEGREES, DIMS, FILE

KERNELS = {"two_layer": two_layer, "product3": multiplicative(3), "skip3": skip(3)}
ABOUT = (
    "Eigenvalues of degree k of three NTKs on the sphere in R^d (two_layer, the ReLU network of one hidden layer; "
    "product3, `pnn` of degree 3; skip3, `pnn_skip` of degree 3) by `sphere_spectrum` in float64, beside "
    "`tests/theory/eigenvalues.json`: mpmath's quadrature at 40 digits and more, written by "
    "`tests/theory/sphere_oracle.py`. Error: |ours - theirs| / theirs; reported: that of `sphere_spectrum`, "
    "over the eigenvalue. Rounding is of one size for all degrees, so that small eigenvalues have fewer digits."
)


def compare() -> dict[str, Any]:
    """Our eigenvalue, the 40-digit one as text, the relative and the reported error, by "kernel d k"."""
    stored: dict[str, str] = json.loads(FILE.read_text())
    measured = {}
    for name, kappa in KERNELS.items():
        for dim in DIMS:
            spectrum = sphere_spectrum(kappa, dim, max(DEGREES))
            for k in DEGREES:
                text = stored[f"{name} {dim} {k}"]
                ours, error = float(spectrum.eigenvalues[k]), float(spectrum.errors[k])
                # Decimals are subtracted, since as a float the stored value would be rounded.
                apart = abs(Decimal(ours) - Decimal(text)) / abs(Decimal(text))
                measured[f"{name} {dim} {k}"] = {
                    "ours": ours,
                    "exact": text,
                    "relative_error": float(apart),
                    "reported_error": error / abs(float(text)),
                }
    return measured


def table(measured: dict[str, Any]) -> str:
    """A table with a row for each kernel, dimension and degree."""
    rows = [
        (
            *key.split(),
            f"{one['ours']:.16e}",
            f"{Decimal(one['exact']):.20e}",
            f"{one['relative_error']:.1e}",
            f"{one['reported_error']:.1e}",
        )
        for key, one in measured.items()
    ]
    return markdown(("kernel", "d", "k", "ours", "40 digits", "error", "reported"), rows)
