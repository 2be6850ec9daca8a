"""gMLP against timm's, and its gate at the start."""

import pytest
import timm
import torch
from torch import nn

from hpnets.models import create_model
from hpnets.models.gmlp import SpatialGate
from tests.models.nets import copy_weights, samples, scramble, small


@pytest.mark.parametrize("size", ["ti16", "s16"])
def test_it_is_timms(size: str) -> None:
    torch.manual_seed(0)
    oracle = timm.create_model(f"gmlp_{size}_224", img_size=32, num_classes=3).eval()
    scramble(oracle)
    for name, p in oracle.named_parameters():
        if ".gate.proj." in name:
            nn.init.normal_(p, std=0.5)
    net = create_model("gmlp", input_shape=(3, 32, 32), output_dim=3, size=size).eval()
    copy_weights(net, oracle)
    x = samples(2, (3, 32, 32))
    torch.testing.assert_close(net(x), oracle(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "millions"), [("ti16", 6), ("s16", 20), ("b16", 73)])
def test_sizes_have_timms_shapes_and_the_papers_parameter_counts(size: str, millions: int) -> None:
    """gMLP-S has 19.4 million, which the paper gives as 20."""
    with torch.device("meta"):
        oracle = timm.create_model(f"gmlp_{size}_224")
        net = create_model("gmlp", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert [v.shape for v in net.state_dict().values()] == [v.shape for v in oracle.state_dict().values()]
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.6)


def test_the_gate_lets_u_pass_at_the_start() -> None:
    torch.manual_seed(0)
    gate, z = SpatialGate(5, 7), samples(2, (7, 10))
    u, v = z.split(5, 2)
    assert torch.allclose(gate(z), u, atol=1e-4)
    nn.init.normal_(gate.W.weight), nn.init.normal_(gate.W.bias)
    W, b = gate.W.weight, gate.W.bias
    expected = u * (torch.einsum("ij,njc->nic", W, torch.layer_norm(v, (5,))) + b[:, None])
    assert torch.allclose(gate(z), expected, atol=1e-5)


def test_a_patch_must_fit_the_image() -> None:
    with pytest.raises(ValueError, match=r"input_shape is \(1, 8, 8\); allowed: images .* of at least 16x16"):
        small("gmlp", size="ti16", depth=1)
    assert small("gmlp", patch=8)(samples()).shape == (4, 3)
    with pytest.raises(ValueError, match="patch is 0; allowed: an integer >= 1"):
        small("gmlp", patch=0)
    with pytest.raises(ValueError, match="depth is 0; allowed: an integer >= 1"):
        small("gmlp", depth=0)
