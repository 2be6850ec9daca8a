"""The product option: an additive twin has the parameters of its network, and no product."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.layers import hadamard, make_product
from hpnets.layers.gates import SqueezeExcitation
from hpnets.layers.modulation import ChannelModulation, ModulatedConv2d, SpatialModulation
from hpnets.layers.patches import LayerNorm2d
from hpnets.models import list_models, model_options
from hpnets.models.cost import cost
from hpnets.models.linear_attention import Attention
from tests.models.nets import IMAGE, open_gates, outputs, relative_difference, samples, scramble, small

BASELINES = ["cnn", "complex_mlp", "fourier_features", "mlp", "resmlp", "resnet18", "siren"]
TWINS = list_models(option="product")
SINUSOIDAL = ["mfn_fourier", "mfn_gabor", "bacon"]
GATED = [
    "glu",
    "swiglu",
    "se_resnet",
    "film",
    "adain",
    "spade",
    "style_classifier",
    "style_generator",
]  # by what is no polynomial
POLYNOMIAL = [name for name in TWINS if name not in (*SINUSOIDAL, *GATED)]
MAPS = (4, 6, 6)


def test_by_name() -> None:
    a, b = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    assert make_product("hadamard") is hadamard
    assert make_product("hadamard")(a, b).tolist() == [10, 21]
    assert make_product("sum")(a, b).tolist() == [7, 10]
    with pytest.raises(ValueError, match="product is 'hadamar'; did you mean hadamard"):
        make_product("hadamar")


def test_every_family_that_is_no_baseline_has_a_twin() -> None:
    assert sorted([*TWINS, *BASELINES]) == list_models()
    assert list_models("*cp", option="product") == ["ccp", "complex_ccp", "ncp"]
    assert list_models(option="no such") == []


def pair(name: str, **options: Any) -> tuple[nn.Module, nn.Module]:
    """A network and its twin, gates open, weights and normalisations away from a start that may be near 0."""
    nets = [scramble(open_gates(small(name, product=kind, **options), name)) for kind in ("hadamard", "sum")]
    for module in nets[0].modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    nets[1].load_state_dict(nets[0].state_dict())
    return nets[0], nets[1]


@pytest.mark.parametrize("name", TWINS)
def test_the_twin_has_the_same_parameters(name: str) -> None:
    net, twin = small(name).state_dict(), small(name, product="sum").state_dict()
    assert list(net) == list(twin)
    assert all(torch.equal(net[key], twin[key]) for key in net)


@pytest.mark.parametrize("name", TWINS)
def test_the_twin_is_another_function(name: str) -> None:
    net, twin = pair(name)
    assert (net(samples()) - twin(samples())).norm() > 1e-3 * net(samples()).norm()


@pytest.mark.parametrize("name", [name for name in TWINS if name != "linear_attention"])
def test_the_twin_has_no_product(name: str) -> None:
    """But those of a Gabor filter, sinusoid times window, which is what stands between the products."""
    net, twin = cost(small(name), IMAGE), cost(small(name, product="sum"), IMAGE)
    assert twin.products < net.products
    assert twin.products == 0 or name == "mfn_gabor"


@pytest.mark.parametrize("name", TWINS)
def test_every_parameter_of_the_twin_has_a_gradient(name: str) -> None:
    """In eval mode: in train mode BN takes out any shift, so that biases before it are idle in a sum."""
    twin = pair(name)[1].double()
    (twin(samples(dtype=torch.float64)) * samples(4, (outputs(name),), torch.float64)).sum().backward()
    for key, p in twin.named_parameters():
        assert p.grad is not None, key
        assert p.grad.isfinite().all(), key
        assert p.grad.any(), key


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_the_twin_of_a_polynomial_is_affine(name: str) -> None:
    options = {key: "none" for key in ("activation", "norm") if key in model_options(name)}
    net, twin = (without_layer_norm(each).double() for each in pair(name, **options))
    assert relative_difference(twin, 2) < 1e-12
    assert relative_difference(net, 2) > 1e-4


def without_layer_norm(net: nn.Module) -> nn.Module:
    """The net with the identity for its LayerNorms, which are no polynomials."""
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.LayerNorm | LayerNorm2d):
            net.set_submodule(name, nn.Identity())
    return net


def layer(kind: type[nn.Module], *arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return kind(*arguments, product="sum").double()


def test_squeeze_excitation_adds_its_gate() -> None:
    se, x = layer(SqueezeExcitation, 4, 3), samples(2, MAPS, torch.float64)
    assert isinstance(se, SqueezeExcitation)
    assert torch.equal(se(x), x + se.gate(x))


@pytest.mark.parametrize("kind", [ChannelModulation, SpatialModulation])
def test_modulations_shift(kind: type[nn.Module]) -> None:
    """By 1 + gamma + beta, whatever they shift."""
    spatial = kind is SpatialModulation
    mod = layer(kind, 3, 4, 5, "none") if spatial else layer(kind, 3, 4, "none")
    x, c = samples(2, MAPS, torch.float64), samples(2, (3, 6, 6) if spatial else (3,), torch.float64)
    gamma, beta = mod(torch.zeros_like(x), c), mod(x, c) - x
    assert torch.allclose(gamma, beta)
    assert gamma.std() > 0.1


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_a_style_is_added_to_what_is_convolved(demodulate: bool, fused: bool) -> None:
    conv, x, s = layer(ModulatedConv2d, 4, 5, 3, demodulate, fused), *styled()
    weight = conv.get_parameter("weight")
    W = weight / (weight.square().sum((1, 2, 3), keepdim=True).sqrt() if demodulate else 6)  # fan_in 4 * 9
    assert torch.allclose(conv(x, s), F.conv2d(x + s[:, :, None, None], W, padding=1), rtol=1e-6)


def styled() -> tuple[Tensor, Tensor]:
    return samples(2, MAPS, torch.float64), samples(2, (4,), torch.float64)


def test_attention_by_heads_of_one_channel_is_what_the_twin_replaces() -> None:
    torch.manual_seed(0)
    net, x = Attention(6, 6).double(), samples(2, (5, 6), torch.float64)
    twin = Attention(6, 6, product="sum").double()
    twin.load_state_dict(net.state_dict())
    Q, K, V = net.W_Q(x), net.W_K(x), net.W_V(x)
    assert torch.allclose(net(x), net.O(Q * (K * V).mean(1, keepdim=True)), rtol=1e-12)
    assert torch.allclose(twin(x), net.O(Q + (K + V).mean(1, keepdim=True)), rtol=1e-12)
