"""CCP against its formula, and its degree."""

import numpy as np
import pytest
import torch

from hpnets.models import create_model
from tests.models.nets import relative_difference, samples, small, state_arrays


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("degree", [1, 2, 5])
def test_formula(degree: int, activation: str) -> None:
    net = small("ccp", degree=degree, activation=activation).double()
    x, w = samples(dtype=torch.float64), state_arrays(net)
    w["C.bias"][:] = 0.5, -1.0, 2.0
    flat = x.flatten(1).numpy()
    y = flat @ w["U.0.weight"].T
    for n in range(1, degree):
        u = flat @ w[f"U.{n}.weight"].T
        y = (np.maximum(u, 0) if activation == "relu" else u) * y + y
    np.testing.assert_allclose(net(x).detach().numpy(), y @ w["C.weight"].T + w["C.bias"], rtol=1e-12, atol=1e-12)
    assert len(w) == degree + 2


@pytest.mark.parametrize("degree", [2, 4])
def test_with_relu_it_has_its_degree_along_rays_only(degree: int) -> None:
    net = small("ccp", degree=degree, width=32, activation="relu").double()
    assert relative_difference(net, degree + 1, from_origin=True) < 1e-12
    assert relative_difference(net, degree, from_origin=True) > 1e-3
    assert relative_difference(net, degree + 1) > 1e-3


def test_variance_doubles_with_each_degree() -> None:
    """Var y_n = 2^(n-1) for x of unit mean square, as the docstring says, so that f has 4 at degree 3."""
    torch.manual_seed(0)
    nets = [create_model("ccp", input_shape=(64,), output_dim=8, degree=3, width=128) for _ in range(20)]
    assert 2.5 < torch.stack([net(samples(64, (64,))) for net in nets]).var() < 6
