"""Fourier features: frozen sinusoids, then the MLP."""

import math

import pytest
import torch

from hpnets.models.mlp import MLP
from tests.models.nets import samples, small


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_formula(activation: str) -> None:
    net = small("fourier_features", features=5, depth=1, activation=activation).double()
    x, mlp = samples(dtype=torch.float64), MLP((10,), 3, depth=1, width=6, activation=activation).double()
    mlp.load_state_dict(net.mlp.state_dict())
    angle = 2 * math.pi * x.flatten(1) @ net.B.T
    gamma = torch.cat([angle.cos(), angle.sin()], 1)
    torch.testing.assert_close(net(x), mlp(gamma), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gamma.square().sum(1), torch.full((4,), 5.0).double())


@pytest.mark.parametrize("scale", [0.5, 8.0])
def test_frequencies_are_frozen_and_of_the_scale(scale: float) -> None:
    net = small("fourier_features", features=256, scale=scale)
    assert "B" in net.state_dict()
    assert "B" not in dict(net.named_parameters())
    assert float(net.B.std()) == pytest.approx(scale, rel=0.05)


def test_without_hidden_layers_it_is_a_sum_of_its_frequencies() -> None:
    net = small("fourier_features", input_shape=(1,), features=1, depth=0).double()
    x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    torch.testing.assert_close(net(x + 1 / net.B.item()), net(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("key", "value"), [("features", 0), ("scale", 0.0), ("scale", -1.0), ("depth", -1)])
def test_bad_options(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key} is {value}; allowed"):
        small("fourier_features", **{key: value})
