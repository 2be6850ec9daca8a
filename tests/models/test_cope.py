"""CoPE against its formula, its joint degree, and CCP, to which it reduces."""

import numpy as np
import pytest
import torch

from tests.models.nets import samples, small, state_arrays


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_formula(degree: int, activation: str) -> None:
    net = small("cope", degree=degree, activation=activation, condition=10).double()
    x, w = samples(dtype=torch.float64), state_arrays(net)
    flat, s = x.flatten(1).numpy(), (lambda u: np.maximum(u, 0)) if activation == "relu" else np.asarray
    z, c = flat[:, :54], flat[:, 54:]
    x_n = z @ w["U.0.weight"].T + c @ w["V.0.weight"].T
    for n in range(1, degree):
        x_n = s(z @ w[f"U.{n}.weight"].T + c @ w[f"V.{n}.weight"].T) * x_n + x_n
    np.testing.assert_allclose(net(x).detach().numpy(), x_n @ w["C.weight"].T + w["C.bias"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["none", "tanh"])
def test_condition_zero_is_ccp(activation: str) -> None:
    net = small("cope", condition=16, activation=activation).double()
    ccp = small("ccp", input_shape=(48,), activation=activation).double()
    ccp.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("V")})
    x = samples(dtype=torch.float64)
    z, c = x.flatten(1).tensor_split([48], dim=1)
    assert not torch.allclose(net(x), ccp(z))
    c.zero_()
    torch.testing.assert_close(net(x), ccp(z), rtol=1e-12, atol=1e-12)


def test_last_channel_as_the_condition() -> None:
    net, x = small("cope", input_shape=(3, 4, 4), condition=16), samples(2, (3, 4, 4))
    net.V.requires_grad_(False)
    for V_n in net.V:
        V_n.weight.zero_()
    other = x.clone()
    other[:, 2] = 0
    assert torch.equal(net(x), net(other))


@pytest.mark.parametrize("condition", [4, 5])
def test_a_condition_that_leaves_no_input_is_refused(condition: int) -> None:
    with pytest.raises(ValueError, match=f"condition is {condition}; allowed: fewer than the 4 features"):
        small("cope", input_shape=(4,), condition=condition)
