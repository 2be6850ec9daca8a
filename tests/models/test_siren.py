"""SIREN against its formula, and the scale of its layers."""

import pytest
import torch

from hpnets.models import create_model
from tests.models.nets import samples, small


@pytest.mark.parametrize("omega", [1.0, 30.0])
@pytest.mark.parametrize("depth", [1, 3])
def test_formula(depth: int, omega: float) -> None:
    net, x = small("siren", depth=depth, omega=omega).double(), samples(dtype=torch.float64)
    h = x.flatten(1)
    for W_l in net.W:
        h = torch.sin(omega * (h @ W_l.weight.T + W_l.bias))
    torch.testing.assert_close(net(x), h @ net.C.weight.T + net.C.bias, rtol=1e-10, atol=1e-10)
    assert len(net.W) == depth


@pytest.mark.parametrize("omega", [10.0, 30.0])
def test_every_sine_sees_variance_one(omega: float) -> None:
    """Of omega W_l h_{l-1}, from the second layer on, on coordinates that fill [-1, 1]^2."""
    torch.manual_seed(0)
    net = create_model("siren", input_shape=(2,), output_dim=16, depth=6, width=256, omega=omega)
    h = 2 * torch.rand(512, 2) - 1
    for l, W_l in enumerate(net.W):
        if l:
            assert (omega * h @ W_l.weight.T).square().mean().item() == pytest.approx(1, rel=0.2)
        h = torch.sin(omega * W_l(h))
    assert 0.5 < net.C(h).square().mean().sqrt() < 2


@pytest.mark.parametrize(("key", "value"), [("depth", 0), ("omega", 0.0), ("omega", -3.0)])
def test_bad_options(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key} is {value}; allowed"):
        small("siren", **{key: value})
