"""Poly-INR against its formula, and its degree."""

import numpy as np
import pytest
import torch

from tests.models.nets import samples, small, state_arrays


@pytest.mark.parametrize("activation", ["leaky_relu", "none"])
@pytest.mark.parametrize("levels", [1, 3])
def test_formula(levels: int, activation: str) -> None:
    net = small("poly_inr", levels=levels, activation=activation, clamp=1.5).double()
    x, w = samples(32, dtype=torch.float64), state_arrays(net)
    g, y = x.flatten(1).numpy(), np.ones((32, 6))
    clamped = 0

    def s(u: np.ndarray) -> np.ndarray:
        return np.where(u > 0, u, 0.2 * u) if activation == "leaky_relu" else u

    for n in range(levels):
        y = y * s(g @ w[f"A.{n}.weight"].T + w[f"A.{n}.bias"])
        y = s(y @ w[f"F.{n}.weight"].T + w[f"F.{n}.bias"])
        clamped += int((abs(y) > 1.5).sum())
        y = np.clip(y, -1.5, 1.5)
    np.testing.assert_allclose(net(x).detach().numpy(), y @ w["C.weight"].T + w["C.bias"], rtol=1e-12, atol=1e-12)
    assert clamped > 0


def test_scale_does_not_fade_with_the_levels() -> None:
    for activation in ("leaky_relu", "none"):
        y = small("poly_inr", levels=10, width=256, activation=activation)(samples(64))
        assert 0.05 < y.square().mean().sqrt() < 5


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("activation", "relu", "activation is 'relu'; did you mean leaky_relu"),
        ("levels", 0, "levels is 0; allowed: an integer >= 1"),
        ("clamp", 0.0, "clamp is 0.0; allowed: a finite number > 0"),
    ],
)
def test_bad_options(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small("poly_inr", **{key: value})
