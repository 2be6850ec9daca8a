"""Parametrisations: what they do to a layer by hand, and what they promise of every registered model."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from hpnets.layers.modulation import ModulatedConv2d
from hpnets.layers.parametrisation import (
    Drawn,
    Scaling,
    apply_scalings,
    drawn,
    layers_of,
    mup_scaling,
    mup_scalings,
    ntk_scalings,
    parameter_groups,
)
from hpnets.models import create_model, list_models, model_options, register_model
from hpnets.models.registry import _MODELS
from hpnets.ntk import ntk
from tests.models.nets import open_gates, outputs, samples, small

ALL = list_models()
SEVERAL = ["mlp", "ncp", "swiglu", "cnn", "style_classifier"]


class Raw(nn.Module):
    """A chain d -> width -> width -> 3 with every kind of parameter that a parametrisation tells apart."""

    def __init__(self, width: int, draw: str = "normal") -> None:
        super().__init__()
        self.U, self.W, self.C = nn.Linear(4, width), nn.Linear(width, width), nn.Linear(width, 3)
        self.factor = nn.Parameter(torch.randn(width, width))
        self.gain, self.alpha = nn.Parameter(torch.ones(width, 1, 1)), nn.Parameter(torch.zeros(1))
        self.tokens = nn.Linear(5, 5)
        for layer in (self.U, self.W, self.C):
            {"normal": nn.init.normal_, "trunc": nn.init.trunc_normal_}[draw](layer.weight, std=layer.in_features**-0.5)


def shape(*sizes: int, rms: float = 1.0) -> Drawn:
    return Drawn(torch.Size(sizes), rms)


@pytest.mark.parametrize("draw", ["normal", "trunc"])
def test_drawn_is_the_distributions_own_mean_square(draw: str) -> None:
    state = torch.get_rng_state()
    shapes = drawn(lambda: Raw(64, draw))
    assert torch.equal(torch.get_rng_state(), state)
    assert drawn(lambda: Raw(64, draw)) == shapes
    for name, fan_in in (("W.weight", 64), ("C.weight", 64)):
        assert shapes[name].rms == pytest.approx(fan_in**-0.5, rel=1e-6 if draw == "normal" else 0.01)
    assert shapes["U.bias"].rms == pytest.approx(0.5 / math.sqrt(3), rel=1e-3)
    assert shapes["factor"] == shape(64, 64)
    assert shapes["alpha"].rms == 0


def test_drawn_knows_gamma_by_its_mean() -> None:
    shapes = drawn(lambda: create_model("mfn_gabor", input_shape=(2,), output_dim=1, width=32, frequency=3.0, depth=1))
    assert shapes["g.0.w.weight"].rms == pytest.approx(3 / math.sqrt(2), rel=1e-6)
    assert shapes["g.0.gamma"].rms == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(
    ("own", "base", "layer", "scaled", "expected"),
    [
        pytest.param(shape(8, 8, rms=8**-0.5), shape(2, 2, rms=2**-0.5), True, False, (1, 1, 1, 1 / 4), id="hidden"),
        pytest.param(shape(8, 8), shape(2, 2), True, False, (1, 1 / 2, 1, 1 / 4), id="hidden of a constant draw"),
        pytest.param(shape(8, 8), shape(2, 2), False, False, (1, 1, 1, 1 / 4), id="raw hidden"),
        pytest.param(shape(8, 8), shape(2, 2), True, True, (1, 1, 4, 1 / 2), id="hidden that scales itself"),
        pytest.param(shape(3, 8, rms=1 / 2), shape(3, 2, rms=1), True, False, (1 / 4, 2, 4, 1), id="read-out"),
        pytest.param(shape(3, 8), shape(3, 2), True, True, (1 / 2, 1, 4, 1), id="read-out that scales itself"),
        pytest.param(shape(8, 3), shape(2, 3), True, False, (1, 1, 4, 1), id="input"),
        pytest.param(shape(8, 1, 3, 3, rms=1 / 2), shape(2, 1, 3, 3), True, False, (1, 2, 4, 1), id="depthwise"),
        pytest.param(shape(8), shape(2), False, False, (1, 1, 4, 1), id="vector"),
        pytest.param(shape(1, 5, 8), shape(1, 5, 2), False, False, (1, 1, 4, 1), id="raw of one axis"),
        pytest.param(shape(5, 5), shape(5, 5), True, False, (1, 1, 1, 1), id="of no width"),
    ],
)
def test_the_table_of_mup(own: Drawn, base: Drawn, layer: bool, scaled: bool, expected: tuple[float, ...]) -> None:
    measured = mup_scaling(own, base, layer, scaled)
    assert (measured.multiplier, measured.init, measured.sgd, measured.adam) == pytest.approx(expected)


def test_mup_of_a_module_by_name() -> None:
    build = lambda width: lambda: Raw(width)  # noqa: E731
    measured = mup_scalings(Raw(64), drawn(build(64)), drawn(build(16)))
    assert measured["C.weight"].multiplier == 1 / 4
    assert {measured[name].adam for name in ("W.weight", "factor")} == {1 / 4}
    assert measured["gain"] == measured["U.bias"] == Scaling(sgd=4.0)
    assert measured["alpha"] == measured["tokens.weight"] == Scaling()


def test_ntk_of_a_module_by_name() -> None:
    net = Raw(64)
    before, x = copy.deepcopy(net), torch.randn(2, 64)
    apply_scalings(net, ntk_scalings(net, drawn(lambda: Raw(64)), drawn(lambda: Raw(32))))
    assert torch.allclose(net.W.weight, 8 * before.W.weight)
    assert torch.allclose(net.W(x), before.W(x), atol=1e-6)
    assert torch.equal(net.W.bias, before.W.bias)
    for name in ("factor", "gain", "tokens.weight"):
        assert torch.equal(net.get_parameter(name), before.get_parameter(name))


@pytest.mark.parametrize("name", ALL)
def test_ntk_is_the_same_function_of_weights_of_variance_one(name: str) -> None:
    own, net = small(name), small(name, parametrisation="ntk")
    assert list(net.state_dict()) == list(own.state_dict())
    assert torch.allclose(net(samples()), own(samples()), rtol=1e-4, atol=1e-5)
    for key, scaling in net.scalings.items():
        assert torch.allclose(net.get_parameter(key) * scaling.multiplier, own.get_parameter(key), rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_mup_is_the_models_own_at_the_base_width(name: str) -> None:
    own, net = small(name), small(name, parametrisation="mup", base_width=6)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in own.state_dict().items())
    assert torch.equal(net(samples()), own(samples()))
    assert [len(parameter_groups(net, optimizer, 0.1)) for optimizer in ("sgd", "adam")] == [1, 1]


@pytest.mark.parametrize("name", ALL)
def test_mup_away_from_the_base_width_is_finite_and_reaches_every_parameter(name: str) -> None:
    net = open_gates(small(name, width=8, parametrisation="mup", base_width=4), name).train()
    (net(samples()) * samples(4, (outputs(name),))).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
    assert any(group["lr"] > 0.1 for group in parameter_groups(net, "sgd", 0.1))


def test_ntk_multipliers_are_gain_over_the_root_of_fan_in() -> None:
    net = create_model("mlp", input_shape=(1, 8, 8), output_dim=10, width=32, parametrisation="ntk")
    assert net.scalings["W.0.weight"].multiplier == pytest.approx((2 / 64) ** 0.5, rel=1e-6)
    assert net.scalings["W.1.weight"].multiplier == pytest.approx((2 / 32) ** 0.5, rel=1e-6)
    assert net.scalings["V.weight"].multiplier == pytest.approx((1 / 32) ** 0.5, rel=1e-6)


def test_the_ntk_of_a_wide_relu_net_is_the_limit_kernel() -> None:
    """Theta = (2/d) (k1 + <x, x'> k0), FORMULAS 2, for f = v relu(sqrt(2/d) W x) / sqrt(m)."""
    torch.manual_seed(0)
    options = {"depth": 1, "bias": False, "parametrisation": "ntk"}
    net = create_model("mlp", input_shape=(5,), output_dim=1, width=8192, **options).double()
    x = torch.randn(6, 5, dtype=torch.float64)
    norms = x.norm(dim=1)
    cosine = (x @ x.T / torch.outer(norms, norms)).clamp(-1, 1)
    angle = cosine.arccos()
    k0 = (math.pi - angle) / (2 * math.pi)
    k1 = torch.outer(norms, norms) * (angle.sin() + (math.pi - angle) * cosine) / (2 * math.pi)
    limit = 2 / 5 * (k1 + x @ x.T * k0)
    assert torch.allclose(ntk(net, x, outputs="trace"), limit, rtol=0, atol=0.05 * float(limit.max()))


@pytest.mark.parametrize("name", ["ccp", "ncp", "swiglu"])
def test_the_kernel_of_the_ntk_parametrisation_settles_with_width_and_the_standard_one_grows(name: str) -> None:
    x = samples(8, (5,))

    def trace(width: int, kind: str) -> float:
        total = 0.0
        for seed in range(3):
            torch.manual_seed(seed)
            net = create_model(name, input_shape=(5,), output_dim=1, width=width, parametrisation=kind).eval()
            total += float(ntk(net, x, outputs="trace").diagonal().mean())
        return total

    assert trace(512, "ntk") / trace(128, "ntk") == pytest.approx(1, abs=0.5)
    assert trace(512, "standard") / trace(128, "standard") == pytest.approx(4, rel=0.4)


@pytest.mark.parametrize("kind", ["ntk", "mup"])
@pytest.mark.parametrize("name", SEVERAL)
def test_kernels_transforms_copies_and_exports_see_the_multipliers(name: str, kind: str) -> None:
    options = {"parametrisation": kind, "base_width": 2 if kind == "mup" else None}
    net = small(name, **options).double()
    x, params = samples(3, dtype=torch.float64), {key: p.detach() for key, p in net.named_parameters()}
    jacobian = vmap(jacrev(lambda p, xi: functional_call(net, p, (xi[None],))[0]), (None, 0))(params, x)
    dense = sum(_kernel(j) for j in jacobian.values())
    for algorithm in ("structured", "jacobian"):
        kernel = ntk(net, x, outputs="full", algorithm=algorithm)
        assert torch.allclose(kernel, dense, rtol=1e-9, atol=1e-9 * float(dense.abs().max()))
    y = net(x)
    assert torch.equal(copy.deepcopy(net)(x), y)
    if kind == "mup":  # which has all kinds of scalings; an export takes a second
        assert torch.allclose(torch.export.export(net, (x,)).module()(x), y, atol=1e-12)
    other = small(name, **options).double()
    torch.nn.init.zeros_(next(other.parameters()))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), y)


def _kernel(J: Tensor) -> Tensor:
    """(N, O, *p) to (N, N, O, O)."""
    J = J.flatten(2)
    return torch.einsum("iop,jqp->ijoq", J, J)


def test_the_structured_engine_still_covers_every_layer() -> None:
    from hpnets.ntk._output_selection import select_outputs
    from hpnets.ntk._survey import survey

    net = small("cnn", parametrisation="ntk")
    params = {key: p.detach() for key, p in net.named_parameters()}
    assert not survey(net, params, samples(), select_outputs("trace", 3, samples())).rest


def test_groups_of_a_wide_net() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=1, width=64, base_width=16, parametrisation="mup")
    net.W[0].bias.requires_grad_(False)
    for optimizer, rates in (("sgd", [0.1, 0.4]), ("adam", [0.025, 0.1]), ("adamw", [0.025, 0.1])):
        groups = parameter_groups(net, optimizer, 0.1, 0.0 if optimizer == "adam" else 0.5)
        assert sorted({group["lr"] for group in groups}) == pytest.approx(rates)
        assert sum(len(group["params"]) for group in groups) == len(list(net.parameters())) - 1
        weights = {id(layer.weight) for layer in layers_of(net).values()}
        for group in groups:
            decays = optimizer != "adam" and id(group["params"][0]) in weights
            assert group["lr"] * group["weight_decay"] == pytest.approx(0.05 if decays else 0.0)
            assert len({id(p) in weights for p in group["params"]}) == 1 or optimizer == "adam"


def test_what_decays() -> None:
    """Weights of layers of any shape, and other arrays; no bias, norm or gate, of any shape."""
    net = nn.Sequential(nn.Linear(1, 4), nn.LayerNorm(4), nn.Linear(4, 1), nn.Conv1d(1, 1, 1))
    net.gate = nn.Parameter(torch.ones(4, 1, 1))
    net.tokens = nn.Parameter(torch.ones(1, 2, 4))
    named = {id(p): name for name, p in net.named_parameters()}
    groups = parameter_groups(net, "sgd", 0.1, 0.5)
    decay = {named[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert {name for name, value in decay.items() if value} == {"0.weight", "2.weight", "3.weight", "tokens"}
    assert set(decay.values()) == {0.0, 0.5}


def test_refusals() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=1, width=64, base_width=16, parametrisation="mup")
    with pytest.raises(ValueError, match=r"optimizer is 'lbfgs'; allowed: adam, adamw, sgd"):
        parameter_groups(net, "lbfgs", 0.1)
    with pytest.raises(ValueError, match=r"weight_decay is 0.5 with adam .*; allowed: 0, or adamw"):
        parameter_groups(net, "adam", 0.1, 0.5)
    with pytest.raises(ValueError, match="parametrisation is 'mupp'; did you mean mup"):
        small("ccp", parametrisation="mupp")
    with pytest.raises(ValueError, match="base_width is 0; allowed: an integer >= 1"):
        small("ccp", base_width=0)
    for kind in ("standard", "ntk"):
        assert small("ccp", parametrisation=kind, base_width=256)  # the default, which a run writes out
        with pytest.raises(
            ValueError,
            match=f"base_width is 4 with parametrisation '{kind}'; allowed: with mup, depth_mup, completep alone",
        ):
            small("ccp", parametrisation=kind, base_width=4)


@pytest.mark.parametrize("size", [{}, {"width": 16}, {"width": 32}, {"size": "18"}])
def test_what_grows_is_found_at_every_own_width(size: dict[str, Any]) -> None:
    net = create_model("pinet", input_shape=(1, 8, 8), output_dim=3, parametrisation="ntk", **size)
    convolutions = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    assert {f"{name}.weight" for name in convolutions} | {"fc.weight"} == set(net.scalings)


def test_a_net_without_hidden_layers_has_nothing_that_grows() -> None:
    net = create_model("mlp", input_shape=(4,), output_dim=2, depth=0, parametrisation="ntk")
    assert net.scalings == {}


def test_models_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_MODELS, "_entries", dict(_MODELS._entries))
    shape = {"input_shape": (4,), "output_dim": 3}

    class Own(nn.Sequential):
        def __init__(self, input_shape: tuple[int, ...], output_dim: int, width: int = 8) -> None:
            layers = [nn.Linear(4, width), nn.Linear(width, 3)]
            super().__init__(*layers, *([nn.Linear(3, 3)] if width > 4 else []))

    class NoWidth(nn.Linear):
        def __init__(self, input_shape: tuple[int, ...], output_dim: int) -> None:
            super().__init__(4, 3)

    register_model("own")(Own), register_model("no_width")(NoWidth)
    net = create_model("own", **shape, width=32, parametrisation="mup")
    assert net.scalings["1.weight"].multiplier == 1 / 4
    assert net.scalings["2.weight"] == Scaling()
    with pytest.raises(ValueError, match="base_width is 2; allowed: one at which the model has the same parameters"):
        create_model("own", **shape, parametrisation="mup", base_width=2)
    with pytest.raises(ValueError, match="'ntk'; allowed for 'no_width', which has no width: standard"):
        create_model("no_width", **shape, parametrisation="ntk")
    assert list(model_options("no_width")) == ["init"]


def test_every_model_with_a_width_has_the_option() -> None:
    for name in ALL:
        options = model_options(name)
        assert ("width" in options) == ("parametrisation" in options) == ("base_width" in options)
        if "width" in options:
            assert options["base_width"].default == options["width"].default


def test_modulated_convolutions_are_known_to_scale_themselves() -> None:
    options = {"width": 8, "base_width": 2, "parametrisation": "mup"}
    net = create_model("style_classifier", input_shape=(1, 8, 8), output_dim=3, **options)
    (name, *_) = [n for n, m in net.named_modules() if isinstance(m, ModulatedConv2d)]
    assert net.scalings[f"{name}.weight"] == Scaling(sgd=4.0, adam=0.5)


def test_queries_are_known_to_be_contracted_with_keys() -> None:
    options = {"width": 8, "base_width": 2, "parametrisation": "mup"}
    net = create_model("linear_attention", input_shape=(1, 8, 8), output_dim=3, **options)
    measured = net.scalings
    assert measured["blocks.1.attention.W_Q.weight"] == Scaling(multiplier=1 / 4, adam=1 / 4)
    assert measured["blocks.1.attention.W_K.weight"] == Scaling(adam=1 / 4)


def test_queries_of_the_additive_twin_are_hidden_weights_as_others() -> None:
    options = {"width": 8, "base_width": 2, "parametrisation": "mup", "product": "sum"}
    measured = create_model("linear_attention", input_shape=(1, 8, 8), output_dim=3, **options).scalings
    assert measured["blocks.1.attention.W_Q.weight"] == measured["blocks.1.attention.W_K.weight"] == Scaling(adam=1 / 4)


@pytest.mark.parametrize("product", ["hadamard", "sum"])
def test_a_modulated_read_out_is_scaled_by_its_width_not_by_the_root_of_it(product: str) -> None:
    """The maps to colours of a generator: 1/width in all, where the module itself divides by the root of it."""
    options = {"input_shape": (8,), "output_dim": 64, "width": 32, "product": product}
    torch.manual_seed(0)
    own = create_model("style_generator", **options)
    torch.manual_seed(0)
    net = create_model("style_generator", **options, parametrisation="mup", base_width=8)
    x, styles = samples(2, (32, 8, 8)), samples(2, (64,))
    last, same = (model.get_submodule("levels.1.colours.conv") for model in (net, own))
    assert torch.equal(last.get_parameter("weight"), same.get_parameter("weight"))
    assert torch.allclose(last(x, styles[:, :32]), same(x, styles[:, :32]) / 2, atol=1e-6)
    assert net.scalings["levels.1.colours.conv.weight"] == Scaling(multiplier=0.5, sgd=4.0)
