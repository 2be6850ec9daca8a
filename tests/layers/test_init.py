"""The init option: other draws of the same size, of every registered model."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets.layers.init import redraw
from hpnets.layers.parametrisation import LAYERS, drawn, layers_of
from hpnets.models import create_model, list_models, model_options
from hpnets.models.registry import _MODELS
from hpnets.theory import limit_kernel
from tests.models.nets import samples, small

ALL = list_models()
KINDS = ["normal", "uniform", "orthogonal"]


def weights(net: nn.Module) -> dict[str, Tensor]:
    """The weights of linear layers and convolutions as matrices."""
    return {name: m.get_parameter("weight").detach().flatten(1) for name, m in layers_of(net).items()}


def size(weight: Tensor) -> float:
    return float(weight.square().mean().sqrt())


@pytest.mark.parametrize("name", ALL)
def test_the_default_changes_nothing(name: str) -> None:
    own, net = small(name), small(name, init="own")
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in own.state_dict().items())
    assert net.drawn == "own"


@pytest.mark.parametrize("name", ALL)
def test_it_redraws_weights_of_layers_and_nothing_else(name: str) -> None:
    own, net = small(name), small(name, init="orthogonal")
    redrawn = {key for key, w in weights(own).items() if w.any() and own.get_parameter(key).requires_grad}
    assert list(own.state_dict()) == list(net.state_dict())
    assert {key for key, value in own.state_dict().items() if not torch.equal(value, net.state_dict()[key])} == redrawn
    assert net(samples()).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mlp", "siren", "cnn", "pinet", "starnet", "gmlp", "quadratic"])
def test_the_mean_square_is_kept(name: str, kind: str) -> None:
    """To 6 standard errors of a normal's, and exactly by orthogonal matrices."""
    torch.manual_seed(0)
    net = create_model(name, input_shape=(1, 8, 8), output_dim=10, width=32, init=kind)
    own = drawn(lambda: create_model(name, input_shape=(1, 8, 8), output_dim=10, width=32))
    for key, weight in weights(net).items():
        tolerance = 1e-4 if kind == "orthogonal" else 6 / (2 * weight.numel()) ** 0.5
        assert size(weight) == pytest.approx(own[key].rms, rel=tolerance), key


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    net = nn.Sequential(nn.Linear(*reversed(shape)), nn.Conv2d(shape[1], shape[0], 3))
    redraw(
        net, "orthogonal", drawn(lambda: nn.Sequential(nn.Linear(*reversed(shape)), nn.Conv2d(shape[1], shape[0], 3)))
    )
    for W in weights(net).values():
        W = W if W.shape[0] <= W.shape[1] else W.T
        torch.testing.assert_close(W @ W.T, W[0].square().sum() * torch.eye(len(W)), rtol=1e-4, atol=1e-4)


def test_uniform_and_normal_are_what_they_say() -> None:
    """By the fourth moment over the second squared: 9/5 and 3; the default of torch is uniform, that of mlp normal."""
    for init, kurtosis in (("uniform", 1.8), ("normal", 3.0)):
        torch.manual_seed(0)
        net = create_model("mlp", input_shape=(256,), output_dim=2, init=init)
        W = weights(net)["W.0.weight"]
        assert float(W.pow(4).mean() / W.square().mean() ** 2) == pytest.approx(kurtosis, rel=0.05)


def test_what_starts_at_zero_or_is_frozen_stays() -> None:
    def build() -> nn.Sequential:
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
        nn.init.zeros_(net[0].weight)
        net[1].requires_grad_(False)
        return net

    net = build()
    before = [layer.weight.detach().clone() for layer in net]
    redraw(net, "normal", drawn(build))
    assert [torch.equal(layer.weight, w) for layer, w in zip(net, before, strict=True)] == [True, True, False]


@pytest.mark.parametrize("init", KINDS)
@pytest.mark.parametrize("kind", ["ntk", "mup"])
@pytest.mark.parametrize("name", ["ccp", "cnn", "style_classifier"])
def test_parametrisations_scale_it_as_they_scale_the_own_draw(name: str, kind: str, init: str) -> None:
    options: dict[str, Any] = {"width": 8, "parametrisation": kind, **({"base_width": 2} if kind == "mup" else {})}
    net, own = small(name, init=init, **options), small(name, **options)
    assert net.scalings == own.scalings
    plain = small(name, init=init, width=8)
    for key, scaling in net.scalings.items():
        torch.testing.assert_close(net.get_parameter(key), scaling.init * plain.get_parameter(key))
    if kind == "ntk":
        torch.testing.assert_close(net(samples()), plain(samples()), rtol=1e-4, atol=1e-5)


def test_a_model_without_a_width_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_MODELS, "_entries", dict(_MODELS._entries))

    class NoWidth(nn.Linear):
        def __init__(self, input_shape: tuple[int, ...], output_dim: int) -> None:
            super().__init__(4, 3)

    _MODELS.register("no_width")(NoWidth)
    assert isinstance(NoWidth((4,), 3), LAYERS)
    assert list(model_options("no_width")) == ["init"]
    W = create_model("no_width", input_shape=(4,), output_dim=3, init="orthogonal").get_parameter("weight")
    torch.testing.assert_close(W @ W.T, torch.eye(3) / 3, rtol=0.01, atol=1e-6)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="init is 'orthogonl'; did you mean orthogonal"):
        small("ccp", init="orthogonl")
    with pytest.raises(ValueError, match="net is drawn with init 'uniform', not as its model says; allowed"):
        limit_kernel(small("ccp", init="uniform"), samples(2))
