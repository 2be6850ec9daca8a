"""NCP against its formula, its degree, and the networks that it reduces to."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.nets import relative_difference, samples, small, state_arrays


def relu(u: np.ndarray) -> np.ndarray:
    return np.maximum(u, 0)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("degree", [1, 2, 5])
def test_formula(degree: int, activation: str, skip: bool) -> None:
    net = scramble_biases(small("ncp", degree=degree, activation=activation, skip=skip).double())
    x, w = samples(dtype=torch.float64), state_arrays(net)
    flat, s = x.flatten(1).numpy(), relu if activation == "relu" else np.asarray
    y = s(flat @ w["A.0.weight"].T) * w["b_1"]
    for n in range(1, degree):
        product = s(flat @ w[f"A.{n}.weight"].T) * (y @ w[f"S.{n - 1}.weight"].T + w[f"S.{n - 1}.bias"])
        y = product + y if skip else product
    np.testing.assert_allclose(net(x).detach().numpy(), y @ w["C.weight"].T + w["C.bias"], rtol=1e-12, atol=1e-12)


def scramble_biases(net: nn.Module) -> nn.Module:
    for key, p in net.named_parameters():
        if p.ndim == 1:
            nn.init.normal_(p, mean=1.0 if key != "C.bias" else 0.0)
    return net


def test_with_relu_it_has_its_degree_along_rays_only() -> None:
    net = small("ncp", degree=3, width=32, activation="relu").double()
    assert relative_difference(net, 4, from_origin=True) < 1e-12
    assert relative_difference(net, 3, from_origin=True) > 1e-3
    assert relative_difference(net, 4) > 1e-3


def test_with_identity_mixing_and_skip_it_is_ccp() -> None:
    ncp, ccp = unmixed(small("ncp", degree=4, skip=True).double()), small("ccp", degree=4).double()
    weights = {key.replace("A.", "U."): value for key, value in ncp.state_dict().items()}
    ccp.load_state_dict({key: weights[key] for key in ccp.state_dict()})
    x = samples(dtype=torch.float64)
    torch.testing.assert_close(ncp(x), ccp(x), rtol=1e-12, atol=1e-12)


def test_with_identity_mixing_and_no_skip_it_is_a_product() -> None:
    net = unmixed(small("ncp", degree=4).double())
    x = samples(dtype=torch.float64)
    product = torch.stack([A_n(x.flatten(1)) for A_n in net.get_submodule("A").children()]).prod(0)
    torch.testing.assert_close(net(x), net.get_submodule("C")(product), rtol=1e-12, atol=1e-12)


def unmixed(net: nn.Module) -> nn.Module:
    """S_n = I and b_n = 0; b_1 is 1 from the start."""
    for S_n in net.get_submodule("S").children():
        nn.init.eye_(S_n.get_parameter("weight"))
        nn.init.zeros_(S_n.get_parameter("bias"))
    return net


def test_lower_degrees_are_there_from_the_start() -> None:
    """With b_n = 0 the network of degree 2 would be even in x."""
    net, x = small("ncp", degree=2), samples()
    assert (net(x) - net(-x)).norm() > 0.1 * net(x).norm()


@pytest.mark.parametrize("options", [{}, {"degree": 2, "activation": "relu"}, {"product": "sum"}])
def test_ncp_skip_is_ncp_with_skip(options: dict[str, object]) -> None:
    net, ncp = small("ncp_skip", **options), small("ncp", skip=True, **options)
    assert torch.equal(net(samples()), ncp(samples()))
    assert not torch.equal(net(samples()), small("ncp", **options)(samples()))
