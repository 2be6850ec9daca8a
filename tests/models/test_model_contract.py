"""What every registered model promises: a new one is tested by being registered."""

import copy
import json
import math
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from hpnets.atomic_files import read_tensors, write_tensors
from hpnets.models import create_model, list_models, model_option_docs, model_options, model_summary, register_model
from hpnets.models.cost import cost
from hpnets.models.registry import _MODELS
from tests.models.nets import IMAGE, ZERO_GATES, open_gates, outputs, samples, shallow, small

ALL = list_models()
WRONG_VALUES: dict[Any, list[Any]] = {
    int: [-1, 0, 1.5, True, "4", None, [4]],
    int | None: [-1, 0, 1.5, True, "4"],
    list[int] | None: [[], [0], [1, -1], [1, True], [1.5], ["1"], 2, "22", [[1]]],
    float: [-1.0, 0.0, "1", True, None, float("nan"), float("inf")],
    bool: ["yes", "no", 1, None],
    str: ["nonsense", 3, None],
}
UNIT_NORM = {"pnn", "pnn_skip"}  # the scale of f goes as |x|^degree: made for the unit sphere
MAY_BE_ZERO = {"dcn": ["depth"], "mlp": ["depth"], "fourier_features": ["depth"]}
SINES = {"bacon", "fourier_features", "mfn_fourier", "mfn_gabor", "siren"}
ANY_NUMBER = ["alpha0"]  # gates: of either sign, or closed
IDLE = {  # in train mode: constants a channel up to a BatchNorm, which takes them out
    "quadratic": ["layers.0.norm_3.bias"],  # passes the next layer's three linear maps
    "van": ["stages.?.0.bias"],  # strided convolutions before BN, as in the paper's counts
    "starnet": [
        "stem.0.0.bias",
        "stages.?.0.0.bias",
        "*.dwconv.0.bias",
        "*.g.0.bias",
        # on maps of at most 2x2 padded convolutions see all of it: what is constant stays so
        "stages.2.0.1.bias",
        "stages.[12].*.g.1.bias",
        "stages.[12].*.dwconv2.bias",
    ],
}


@pytest.mark.parametrize("name", ALL)
def test_forward_and_backward_are_finite(name: str) -> None:
    """In float32; in float64 beside the test of gradients."""
    net = open_gates(small(name), name).train()
    y = net(samples())
    assert y.shape == (4, outputs(name))
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    (y * samples(4, (outputs(name),))).sum().backward()
    for key, p in net.named_parameters():
        assert p.grad is not None, key
        assert p.grad.isfinite().all(), key


def still(net: nn.Module, name: str) -> set[str]:
    """The parameters whose gradient is 1e-12 of the largest or less: rounding, in float64. All are finite."""
    net.zero_grad()
    y = net(samples(dtype=torch.float64))
    assert y.dtype == torch.float64
    (y * samples(4, (outputs(name),), torch.float64)).sum().backward()
    sizes = {key: float(p.grad.abs().max()) for key, p in net.named_parameters() if p.grad is not None}
    assert sizes.keys() == dict(net.named_parameters()).keys()
    assert all(map(math.isfinite, sizes.values()))
    return {key for key, size in sizes.items() if size <= 1e-12 * max(sizes.values())}


@pytest.mark.parametrize("name", ALL)
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    """All but the constants that BatchNorm takes out in train mode, which have one in eval mode."""
    net = open_gates(small(name), name).double()
    idle = {key for key, _ in net.named_parameters() if any(fnmatch(key, p) for p in IDLE.get(name, []))}
    assert still(net.train(), name) == idle
    assert not idle & still(net.eval(), name)


@pytest.mark.parametrize("name", ALL)
def test_mixed_precision_is_finite_and_close(name: str) -> None:
    """In the mean square within 8 roundings, 2^-8 each, of the outputs' deviation; 40 after a sine, which sees the
    absolute error of angles of several turns.
    """
    net, x = open_gates(small(name, **shallow(name)), name).train(), samples(32)
    with torch.random.fork_rng(devices=[]):
        exact = net(x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
    assert y.isfinite().all()
    error = (y.float() - exact).detach().square().mean().sqrt() / exact.std()
    assert error < (40 if name in SINES else 8) * 2**-8
    (y.float() * samples(32, (outputs(name),))).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", ALL)
def test_the_cost_is_that_of_its_parameters_and_operations(name: str) -> None:
    net = small(name)
    counted = cost(net, IMAGE)
    assert counted.parameters == sum(p.numel() for p in net.parameters())
    assert 0 <= counted.products < counted.flops
    # each weight of a matrix takes part in one multiply-add or more, where it is no filter that is scaled first
    assert counted.flops >= 2 * sum(p.numel() for p in net.parameters() if p.ndim == 2)


@pytest.mark.parametrize("name", ZERO_GATES)
def test_closed_gates_let_their_own_gradient_through(name: str) -> None:
    """A gate of 0 hides what stands behind it from the first step, not from the second: it moves itself."""
    net = small(name).train()
    (net(samples()) * samples(4, (outputs(name),))).sum().backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent
    assert not [key for key in silent if fnmatch(key, ZERO_GATES[name])]


@pytest.mark.parametrize("name", ALL)
def test_the_default_network_starts_at_the_scale_of_its_targets(name: str) -> None:
    x = samples(32) / (8 if name in UNIT_NORM else 1)
    y = create_model(name, input_shape=IMAGE, output_dim=12).train()(x)
    assert 0.02 < y.std() < 50


@pytest.mark.parametrize("name", ALL)
def test_weights_survive_a_file(name: str, tmp_path: Path) -> None:
    net, other = small(name), create_model(name, **shape_and_width(name)).eval()
    x = samples()
    assert not torch.equal(other(x), net(x))
    write_tensors(tmp_path / "net.safetensors", net.state_dict())
    other.load_state_dict(read_tensors(tmp_path / "net.safetensors"))
    assert torch.equal(other(x), net(x))


def shape_and_width(name: str) -> dict[str, Any]:
    return {
        "input_shape": IMAGE,
        "output_dim": outputs(name),
        **({"width": 6} if "width" in model_options(name) else {}),
    }


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_the_weights(name: str) -> None:
    first, second = small(name).state_dict(), small(name).state_dict()
    other = create_model(name, **shape_and_width(name)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ALL)
def test_forward_leaves_nothing_on_the_module(name: str) -> None:
    """A tensor kept on self breaks torch.func."""
    net = small(name)
    for training in (True, False):
        before = attributes(net.train(training))
        net(samples())
        assert attributes(net) == before


def attributes(net: nn.Module) -> dict[str, int]:
    """The identity of each attribute, parameter and buffer of each module."""
    ids = {}
    for name, module in net.named_modules():
        for key, value in {**vars(module), **module._parameters, **module._buffers}.items():
            ids[f"{name}.{key}"] = id(value)
    return ids


@pytest.mark.parametrize("name", ALL)
def test_transforms_agree_with_autograd(name: str) -> None:
    net = small(name, **shallow(name)).double()
    x, params = samples(2, dtype=torch.float64), {key: p.detach() for key, p in net.named_parameters()}
    jacobian = vmap(jacrev(lambda p, xi: functional_call(net, p, (xi[None],))[0]), (None, 0))(params, x)
    expected = autograd_jacobian(net, x)
    tangents = {key: torch.randn_like(p) for key, p in params.items()}
    _, forward, *_ = jvp(lambda p: functional_call(net, p, (x,)), (params,), (tangents,))
    for key in params:
        assert torch.allclose(jacobian[key], expected[key], rtol=1e-10, atol=1e-10)
    product = sum((expected[key] * tangents[key]).reshape(2, outputs(name), -1).sum(2) for key in params)
    assert torch.allclose(forward, product, rtol=1e-10, atol=1e-10)


def autograd_jacobian(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """df_o(x_i)/dp, shape (N, O, *p), by one backward pass for each sample and output."""
    names, parameters = zip(*net.named_parameters(), strict=True)
    outputs = [net(xi[None])[0] for xi in x]
    rows = [[torch.autograd.grad(y_o, parameters, retain_graph=True) for y_o in y] for y in outputs]
    return {key: torch.stack([torch.stack([g[k] for g in row]) for row in rows]) for k, key in enumerate(names)}


@pytest.mark.parametrize("name", ALL)
def test_samples_do_not_touch_each_other_in_eval_mode(name: str) -> None:
    net, x = small(name).double(), samples(dtype=torch.float64)
    together, alone = net(x), torch.cat([net(xi[None]) for xi in x])
    assert torch.allclose(together, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_the_exported_graph_is_the_network_at_any_batch_size(name: str, tmp_path: Path) -> None:
    net, file = small(name, **shallow(name)), tmp_path / "net.pt2"
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.export.save(torch.export.export(net, (samples(),), dynamic_shapes=({0: batch},)), file)
    exported = torch.export.load(file).module()
    for n in (1, 4, 9):
        assert torch.allclose(exported(2 * samples(n)), net(2 * samples(n)), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_options_are_plain_have_defaults_and_say_what_they_are_and_allow(name: str) -> None:
    docs, options = model_option_docs(name), model_options(name)
    assert list(docs) == list(options)
    for key, option in options.items():
        assert option.default is not option.empty, key
        assert option.annotation is not option.empty, key
        assert json.loads(json.dumps(option.default)) == option.default, key
        if isinstance(option.annotation, type):
            assert type(option.default) is option.annotation, key
        assert 2 <= len(docs[key].text.split()) <= 20, key
        assert docs[key].allowed, key


def wrong_values(name: str) -> list[tuple[str, Any]]:
    """(option, value) of each value that the option does not allow."""
    return [
        (key, value)
        for key, p in model_options(name).items()
        for value in WRONG_VALUES[p.annotation]
        if not (value == 0 and key in MAY_BE_ZERO.get(name, []))
        if not (value in (-1.0, 0.0) and type(value) is float and key in ANY_NUMBER)
    ]


def answer(name: str, key: str, value: Any) -> str:
    """What the ValueError for this value says; "" if there is none."""
    try:
        small(name, **{key: value})
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ALL)
def test_wrong_values_are_refused_by_name(name: str) -> None:
    answers = {(key, repr(value)): answer(name, key, value) for key, value in wrong_values(name)}
    assert {key for key, _ in answers} == set(model_options(name))
    allowed = "(allowed|did you mean)"
    assert not {
        option: said
        for option, said in answers.items()
        if not re.match(f"{re.escape(' is '.join(option))}; {allowed}", said)
    }


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("ccp", "degree", 0, "degree is 0; allowed: an integer >= 1"),
        ("ncp", "degree", 0, "degree is 0; allowed: an integer >= 1"),
        ("ccp", "activation", "rellu", "activation is 'rellu'; did you mean relu"),
        ("resnet18", "norm", "bach", "norm is 'bach'; did you mean batch"),
        ("ncp", "skip", "no", "skip is 'no'; allowed: true or false"),
        ("ccp", "degre", 3, "model 'ccp' has no option 'degre'; did you mean degree"),
        ("ccp", "output_dim", -1, "output_dim is -1; allowed: an integer >= 0"),
        ("ccp", "output_dim", 2.0, "output_dim is 2.0; allowed: an integer >= 0"),
        ("ccp", "input_shape", (), r"input_shape is \(\); allowed: one or more sizes >= 1"),
        ("ccp", "input_shape", (1, 0, 8), r"input_shape is \(1, 0, 8\); allowed"),
        ("mlp", "input_shape", (2.5,), r"input_shape is \(2.5,\); allowed"),
        ("mlp", "input_shape", (True, 8), r"input_shape is \(True, 8\); allowed"),
        *[("mlp", "input_shape", v, f"input_shape is {v!r}; allowed") for v in (None, 64, "64", 1.0)],
    ],
)
def test_errors_say_what_is_allowed(name: str, key: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(name, **{key: value})


def test_a_line_says_what_it_is() -> None:
    for name in ALL:
        assert 20 < len(model_summary(name)) <= 102, name
        assert model_summary(name)[0].isupper(), name


OTHER_SHAPES = [(2, 2, 8, 8), (2, 3, 8, 8), (1, 8, 8), (8, 8), (2, 65), (2, 1, 1, 8, 8), (2, 1, 7, 8), (2, 1, 8, 0)]


@pytest.mark.parametrize("name", ALL)
def test_samples_of_another_shape_than_it_was_built_for_are_refused(name: str) -> None:
    net = small(name)
    copied, sizes = copy.deepcopy(net), ">= 8, >= 8" if hasattr(net, "least_side") else "8, 8"
    for shape in OTHER_SHAPES:
        message = rf"^x is {re.escape(str(shape))}; allowed: \(batch, 1, {sizes}\)$"
        for call in (net, copied, lambda x: functional_call(net, dict(net.named_parameters()), x)):
            with pytest.raises(ValueError, match=message):
                call(torch.zeros(shape))


@pytest.mark.parametrize("name", ALL)
def test_images_of_another_size_are_taken_by_nets_of_any_size_alone(name: str) -> None:
    net, x = small(name), samples(2, (1, 16, 12))
    if hasattr(net, "least_side"):
        assert net(x).shape == (2, outputs(name))
    else:
        with pytest.raises(ValueError, match=r"^x is \(2, 1, 16, 12\); allowed: \(batch, 1, 8, 8\)$"):
            net(x)


def test_names_and_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"ccp", "ncp", "mlp", "resnet18"} <= set(ALL)
    assert set(list_models("*cp")) >= {"ccp", "ncp"}
    assert list_models("no such") == []
    with pytest.raises(ValueError, match=r"unknown model 'cpp'; did you mean .*ccp"):
        create_model("cpp", input_shape=(1,), output_dim=1)
    with pytest.raises(ValueError, match="model 'linear' lacks the constructor arguments input_shape, output_dim"):
        register_model("linear")(nn.Linear)
    monkeypatch.setattr(_MODELS, "_entries", dict(_MODELS._entries))
    with pytest.raises(ValueError, match="model 'ccp' is registered already"):
        register_model("ccp")(_MODELS.get("mlp"))


def test_a_model_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_MODELS, "_entries", dict(_MODELS._entries))

    @register_model("mean")
    class Mean(nn.Module):
        def __init__(self, input_shape: tuple[int, ...], output_dim: int, power: int = 1) -> None:
            super().__init__()
            self.output_dim, self.power, self.shape = output_dim, power, input_shape

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1).mean(1, keepdim=True).pow(self.power).expand(-1, self.output_dim)

    net = create_model("mean", input_shape=[2, 2], output_dim=3, power=2)
    assert isinstance(net, Mean)
    assert net.shape == (2, 2)
    assert list(model_options("mean")) == ["power", "init"]
    assert torch.equal(net(torch.full((1, 2, 2), 3.0)), torch.full((1, 3), 9.0))
