"""The difference of the algebra from neural-tangents' kernels in tests/theory/reference.json."""

from typing import Any

import torch

from hpnets.statistics import table as markdown
from tests.theory.test_reference import NETS, REFERENCE, kernels_of

ABOUT = (
    "The algebra against neural-tangents' layers of the same widths of weights and biases, on the points stored in "
    "`tests/theory/reference.json` (written by `tests/theory/make_reference.py`): the largest difference over the "
    "largest entry, of covariance S and NTK T, in float64."
)


def compare() -> dict[str, Any]:
    """The relative differences of S and T, by net."""
    measured = {}
    for name in NETS:
        stored = REFERENCE["kernels"][name]
        pairs = zip(kernels_of(name), (torch.tensor(stored[key], dtype=torch.float64) for key in "ST"), strict=True)
        measured[name] = [float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs]
    return {"versions": REFERENCE["versions"], "differences": measured}


def table(measured: dict[str, Any]) -> str:
    """A table with a row for each net."""
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    rows = [(name, f"{S:.1e}", f"{T:.1e}") for name, (S, T) in measured["differences"].items()]
    return f"{versions}.\n\n{markdown(('net', 'S', 'T'), rows)}"
