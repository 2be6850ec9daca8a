"""The head of every classifier: what it is given, another in its place, none, and the same law of its draw."""

import copy

import pytest
import torch
from torch import nn

from hpnets.models import forward_features, list_models, model_options, reset_head
from hpnets.models.head import head_name
from tests.models.nets import samples, small

HEADLESS = {"bacon", "style_generator"}
CLASSIFIERS = [name for name in list_models() if name not in HEADLESS]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_are_what_the_network_gives_without_its_head(name: str) -> None:
    """On them the head gives the outputs, in each parametrisation: pnn's constant may stand before it or behind."""
    for kind in parametrisations(name):
        net, x = small(name, parametrisation=kind).double(), samples(dtype=torch.float64)
        features, outputs, head = net.forward_features(x), net(x), net.get_submodule(head_name(net))
        assert features.shape == (4, head.in_features)
        shift = 0 if head.bias is None else head.bias
        torch.testing.assert_close(head(features) - shift, outputs - shift)
        net.reset_head(0)
        assert torch.equal(net(x), features)
        assert torch.equal(net.forward_features(x), features)
        assert small(name, parametrisation=kind, output_dim=0).double()(x).shape == features.shape


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_new_head_is_drawn_as_that_of_a_new_network(name: str) -> None:
    """All else stays as it is, in each parametrisation."""
    for kind in parametrisations(name):
        net = small(name, parametrisation=kind)
        head, before = head_name(net), copy.deepcopy(net.state_dict())
        torch.manual_seed(0)
        reset_head(net, 5)
        other = small(name, parametrisation=kind, output_dim=5)
        for key, value in net.state_dict().items():
            assert torch.equal(value, (other.state_dict() if key.startswith(f"{head}.") else before)[key]), key
        assert net.scalings == other.scalings
        assert net(samples()).shape == (4, 5)


def parametrisations(name: str) -> list[str]:
    return ["standard", "ntk", "mup"] if "width" in model_options(name) else ["standard"]


@pytest.mark.parametrize("name", sorted(HEADLESS))
def test_a_network_of_several_heads_or_none_says_so(name: str) -> None:
    net = small(name)
    for call in (lambda: net.forward_features(samples()), lambda: net.reset_head(2), lambda: small(name, output_dim=0)):
        with pytest.raises(ValueError, match="has no head: no one linear layer gives its outputs"):
            call()


def test_what_create_model_has_not_made_gets_no_head() -> None:
    with pytest.raises(ValueError, match="net is a Sequential that create_model has not made"):
        reset_head(nn.Sequential(nn.Linear(2, 2)), 3)
    with pytest.raises(ValueError, match="output_dim is -1; allowed: an integer >= 0"):
        small("mlp").reset_head(-1)


def test_a_head_that_runs_twice_is_seen() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.C = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.C(self.C(x))

    with pytest.raises(ValueError, match="the head 'C' of Twice ran 2 times; allowed: once"):
        forward_features(Twice(), torch.zeros(2, 3))
