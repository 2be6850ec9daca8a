"""The modulated convolution against its formula, its invariances, and the classifier made of it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.layers.modulation import ModulatedConv2d
from tests.models.nets import samples, small


def conv(demodulate: bool = True, fused: bool = False, dtype: torch.dtype = torch.float64) -> ModulatedConv2d:
    torch.manual_seed(0)
    return ModulatedConv2d(4, 5, 3, demodulate, fused).to(dtype)


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return samples(3, (4, 6, 6), dtype), samples(3, (4,), dtype) + 1


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_formula(demodulate: bool, fused: bool) -> None:
    layer, (x, s) = conv(demodulate, fused), inputs()
    for n in range(3):
        W = torch.einsum("i,jikl->jikl", s[n], layer.weight)
        if demodulate:
            W = W / torch.stack([W_j.square().sum().sqrt() for W_j in W])[:, None, None, None]
        else:
            W = W / 6  # fan_in 4 * 9
        assert torch.allclose(layer(x, s)[n], F.conv2d(x[n : n + 1], W, padding=1)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("demodulate", [False, True])
def test_fused_is_unfused(demodulate: bool) -> None:
    x, s = inputs(torch.float32)
    one, other = conv(demodulate, False, torch.float32), conv(demodulate, True, torch.float32)
    torch.testing.assert_close(one(x, s), other(x, s), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fused", [False, True])
def test_the_scale_of_a_style_is_undone_by_demodulation_only(fused: bool) -> None:
    x, s = inputs()
    assert torch.allclose(conv(True, fused)(x, 30 * s), conv(True, fused)(x, s), rtol=1e-12)
    assert torch.allclose(conv(False, fused)(x, 30 * s), 30 * conv(False, fused)(x, s), rtol=1e-12)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_a_sample_does_not_see_another_samples_style(demodulate: bool, fused: bool) -> None:
    layer, (x, s) = conv(demodulate, fused), inputs()
    changed = s.clone()
    changed[1] = 50 * s[1].flip(0)
    before, after = layer(x, s), layer(x, changed)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_demodulated_output_has_unit_variance() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(16, 64, 3, demodulate=True)
    y = layer(torch.randn(4, 16, 12, 12), 100 * torch.rand(4, 16))[..., 1:-1, 1:-1]
    assert 0.8 < y.std() < 1.2


def test_large_styles_do_not_overflow_half_precision() -> None:
    """s^2 alone would: 300^2 > 65504."""
    x, s = inputs(torch.float16)
    assert conv(dtype=torch.float16)(x, 300 * s).isfinite().all()


@pytest.mark.parametrize("demodulate", [False, True])
def test_the_fused_network_is_the_unfused(demodulate: bool) -> None:
    nets = [small("style_classifier", demodulate=demodulate, fused=fused) for fused in (False, True)]
    outputs = [net(samples()) for net in nets]
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)


def test_the_style_of_an_image_matters() -> None:
    net, x = small("style_classifier"), samples()
    block, w, h = net.get_submodule("layers.0"), net.get_submodule("mapping")(x), net.get_submodule("stem")(x)
    assert not torch.allclose(block(h, w), block(h, w.flip(0)))
