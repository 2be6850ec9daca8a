"""Fits of named functions on boxes and on rings."""

from functools import partial

import torch

from hpnets.papers.extrapolation.figures import degree_text
from hpnets.papers.parts.boxes import box_data, fit_boxes, nearest_polynomial
from hpnets.papers.parts.networks import build
from hpnets.papers.parts.sectors import fit_ring


def test_data_is_in_units_of_the_training_box() -> None:
    x, y, x_in, _, x_out, y_out = box_data("cubic", 1, 0, 64)
    assert float(x.abs().max()) <= 1
    assert float(x_in.abs().max()) <= 1 < float(x_out.abs().min())
    X = 2.5 * x_out.double()
    torch.testing.assert_close(y_out.double(), X**3 + X**2 - 5 * X + 5, rtol=1e-5, atol=1e-3)
    assert y.shape == (64, 1)


def test_a_fit_is_measured_by_target_and_seed() -> None:
    """By least squares, which is exact of a cubic, and by training: keys, seeds, and curves of what is drawn."""
    exact = nearest_polynomial(3, *(part.double() for part in box_data("cubic", 1, 0, 64)))
    assert max(exact["inside"] + exact["outside"]) < 1e-6
    measured = fit_boxes(
        lambda outputs: partial(build, "ccp-3", 1, outputs, 8),
        ["linear", "cubic"],
        1,
        [0, 1],
        32,
        300,
        "cpu",
        drawn=("cubic",),
    )
    assert list(measured) == ["linear", "cubic"]
    assert "curve" not in measured["linear"]
    assert [len(measured["cubic"][key]) for key in ("inside", "outside", "degree", "curve")] == [2] * 4
    assert [len(curve) for curve in measured["cubic"]["curve"]] == [81, 81]
    assert max(measured["linear"]["inside"]) < 0.2


def test_a_polynomial_net_needs_no_direction_more_than_another() -> None:
    errors = fit_ring(partial(build, "ccp-2", 2, 1, 8), "linear", 90, [0, 1, 2], 32, 300, "cpu")
    assert max(errors["covered"] + errors["missing"]) < 0.2


def test_numbers_are_rounded_to_what_they_say() -> None:
    assert degree_text([2.0, 2.0 + 1e-15, 2.0]) == "2.000"
    assert degree_text([2.0, 2.1, 2.2]) == "2.100 +- 0.1"
