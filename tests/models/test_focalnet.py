"""FocalNet against timm's, and focal modulation against its formula."""

import pytest
import timm
import torch
import torch.nn.functional as F

from hpnets.models import create_model
from hpnets.models.focalnet import FocalModulation
from tests.models.nets import copy_weights, samples, scramble, small


@pytest.mark.parametrize("size", ["tiny_srf", "tiny_lrf"])
def test_it_is_timms(size: str) -> None:
    torch.manual_seed(0)
    oracle = scramble(timm.create_model(f"focalnet_{size}", num_classes=3)).eval()
    net = create_model("focalnet", input_shape=(3, 64, 64), output_dim=3, size=size).eval()
    copy_weights(net, oracle)
    x = samples(2, (3, 64, 64), torch.float64)
    torch.testing.assert_close(net.double()(x), oracle.double()(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", ["small_srf", "small_lrf", "base_srf", "base_lrf"])
def test_the_other_sizes_have_timms_shapes(size: str) -> None:
    with torch.device("meta"):
        oracle = timm.create_model(f"focalnet_{size}")
        net = create_model("focalnet", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert [v.shape for v in net.state_dict().values()] == [v.shape for v in oracle.state_dict().values()]


def test_modulation_is_its_formula() -> None:
    torch.manual_seed(0)
    layer, x = FocalModulation(4, 2, "gelu").double(), samples(2, (4, 7, 7), torch.float64)
    y = layer.f(x)
    q, z_0, g = y[:, :4], y[:, 4:8], y[:, 8:]
    z_1 = F.gelu(F.conv2d(z_0, layer.dw[0].weight, padding=1, groups=4))
    z_2 = F.gelu(F.conv2d(z_1, layer.dw[1].weight, padding=2, groups=4))
    z_3 = F.gelu(z_2.mean((2, 3), keepdim=True))
    context = g[:, 0:1] * z_1 + g[:, 1:2] * z_2 + g[:, 2:3] * z_3
    assert torch.allclose(layer(x), layer.O(q * layer.h(context)), rtol=1e-10)


def test_levels_widen_the_field() -> None:
    net = small("focalnet", levels=3)
    assert [tuple(dw.weight.shape[2:]) for dw in net.get_submodule("stages.0.3.modulation.dw").children()] == [
        (3, 3),
        (5, 5),
        (7, 7),
    ]
    with pytest.raises(ValueError, match="levels is 0; allowed: an integer >= 1"):
        small("focalnet", levels=0)


def test_the_papers_size_accepts_8x8() -> None:
    assert small("focalnet", size="tiny_srf", width=4)(samples()).shape == (4, 3)


@pytest.mark.parametrize(
    ("size", "millions"),
    [
        ("tiny_srf", 28.4),
        ("tiny_lrf", 28.6),
        ("small_srf", 49.9),
        ("small_lrf", 50.3),
        ("base_srf", 88.1),
        ("base_lrf", 88.7),
    ],
)
def test_the_papers_parameter_counts(size: str, millions: float) -> None:
    with torch.device("meta"):
        net = create_model("focalnet", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
