"""FiLM, AdaIN and SPADE: the identity that their modulation starts from, and what makes each of them what it is."""

import pytest
import torch
from torch import nn

from hpnets.layers.modulation import ChannelModulation, SpatialModulation, modulate
from tests.models.nets import samples, scramble, small

FAMILIES = ["film", "adain", "spade"]
MAPS = (4, 6, 6)


def zero_modulations(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, ChannelModulation | SpatialModulation):
            nn.init.zeros_(module.A.weight), nn.init.zeros_(module.A.bias)
    return net


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("kind", [ChannelModulation, SpatialModulation])
def test_gamma_and_beta_zero_is_the_norm(kind: type[nn.Module], norm: str) -> None:
    spatial = kind is SpatialModulation
    mod = scramble(kind(3, 4, 5, norm=norm) if spatial else kind(3, 4, norm=norm)).eval()
    x, c = samples(2, MAPS), samples(2, (3, 8, 8) if spatial else (3,))
    assert not torch.allclose(mod(x, c), mod.norm(x))
    assert torch.equal(zero_modulations(mod)(x, c), mod.norm(x))


def test_modulate_is_its_formula() -> None:
    x, gamma, beta = samples(2, MAPS), samples(2, (4, 1, 1)), -samples(2, (4, 1, 1))
    measured = modulate(x, gamma, beta)
    for n in range(2):
        for c in range(4):
            assert torch.allclose(measured[n, c], (1 + gamma[n, c]) * x[n, c] + beta[n, c])


def test_channel_modulation_is_one_scale_a_channel_and_spatial_one_a_position() -> None:
    torch.manual_seed(0)
    ones, c = torch.ones(1, *MAPS), samples(1, (3,))
    flat = ChannelModulation(3, 4, "none")(ones, c)
    assert torch.allclose(flat, flat[..., :1, :1].expand_as(flat))
    A = ChannelModulation(3, 4, "none")
    gamma, beta = (c @ A.A.weight.T + A.A.bias).split(4, 1)
    assert torch.allclose(A(ones, c)[..., 0, 0], 1 + gamma + beta)
    assert SpatialModulation(3, 4, 5, "none")(ones, samples(1, (3, 12, 12))).std((2, 3)).min() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_zero_modulation_forgets_the_condition(name: str) -> None:
    net, x = zero_modulations(small(name)), samples()
    before = net(x)
    for p in net.get_submodule("condition").parameters():
        nn.init.normal_(p)
    assert torch.equal(net(x), before)
    other = small(name)
    block = other.get_submodule("layer1.0")
    c = other.get_submodule("condition")(x)
    h = other.stem(x)
    assert not torch.allclose(block(h, c), block(h, 2 * c))


def test_adain_takes_its_statistics_from_the_style() -> None:
    """(1 + gamma) and beta are the deviation and the mean of each channel of the output."""
    torch.manual_seed(0)
    mod, x, c = ChannelModulation(3, 4, "instance").double(), samples(2, MAPS, torch.float64), samples(2, (3,)).double()
    gamma, beta = mod.A(c).chunk(2, 1)
    y = mod(7 * x + 5, c)
    assert torch.allclose(y.mean((2, 3)), beta, atol=1e-12)
    assert torch.allclose(y.std((2, 3), correction=0), (1 + gamma).abs(), rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_instance_normalisation_needs_more_than_one_position(name: str) -> None:
    norm = {} if name == "adain" else {"norm": "instance"}
    with pytest.raises(ValueError, match=r"input_shape is \(1, 8, 8\); allowed: images .* of at least 16x16"):
        small(name, size="18", **norm)
    assert small(name, size="18", input_shape=(1, 16, 16), **norm).train()(samples(2, (1, 16, 16))).shape == (2, 3)
    assert name == "adain" or small(name, size="18")(samples()).isfinite().all()
