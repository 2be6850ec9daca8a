"""limit_kernel against the closed forms of the product nets, the exact finite-width formula, and what it refuses."""

import re
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets import create_model, list_models
from hpnets.models import model_options
from hpnets.ntk import ntk
from hpnets.theory import (
    Laws,
    Moments,
    Points,
    activation,
    dense,
    init_variances,
    inputs,
    limit_kernel,
    ntk_parametrised_kernel,
    register_limit,
)
from hpnets.theory.laws import _DERIVATIONS
from tests.theory.oracle import jacobian_kernel, pnn_ntk, pnn_skip_ntk, points

X = points(6, 4)
EXACT = {"rtol": 1e-10, "atol": 1e-10}


def make(name: str, shape: tuple[int, ...] = (4,), **options: Any) -> nn.Module:
    torch.manual_seed(0)
    narrow = {"width": 8} if "width" in model_options(name) else {}
    return create_model(name, input_shape=shape, output_dim=1, **{**narrow, **options}).double().eval()


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 9])
def test_the_closed_forms_of_the_product_nets(degree: int) -> None:
    for name, formula in (("pnn", pnn_ntk), ("pnn_skip", pnn_skip_ntk)):
        net = make(name, degree=degree)
        torch.testing.assert_close(limit_kernel(net, X).ntk, formula(X, X, degree), **EXACT)
        torch.testing.assert_close(limit_kernel(net, X, X[:2]).ntk, formula(X, X[:2], degree), **EXACT)


@pytest.mark.parametrize("degree", [1, 3, 6])
def test_the_variance_of_the_product_nets(degree: int) -> None:
    x = X / X.norm(dim=1, keepdim=True)
    for name, base in (("pnn", 0.5), ("pnn_skip", 1.5 + 2 / (2 * torch.pi) ** 0.5)):
        variance = limit_kernel(make(name, degree=degree), x).covariance.diagonal()
        torch.testing.assert_close(variance, torch.full_like(variance, base ** (degree - 1)), **EXACT)


@pytest.mark.parametrize("activation_name", ["relu", "gelu", "none"])
@pytest.mark.parametrize("name", ["pnn", "pnn_skip"])
def test_the_exact_kernel_at_finite_width(name: str, activation_name: str) -> None:
    """Read-out (2/m) sum_r y_r y'_r; W_n: (2/m) <x, x'> sum_r v_r^2 s'_nr s'_nr' prod_{j!=n} t_jr t_jr'."""
    net: Any = make(name, degree=3, width=32, activation=activation_name)
    z = [(X @ W.weight.detach().T).requires_grad_() for W in net.W]
    s = [net.act(z_n) for z_n in z]
    slopes = [torch.autograd.grad(s_n.sum(), z_n)[0] for s_n, z_n in zip(s, z, strict=True)]
    t = [s_n if name == "pnn" or n == 0 else 1 + s_n for n, s_n in enumerate(s)]
    y, v = t[0] * t[1] * t[2], net.v.weight.detach()
    expected = y @ y.T
    for n in range(3):
        others = torch.stack([t[j] for j in range(3) if j != n]).prod(0)
        D = v * slopes[n] * others
        expected = expected + (X @ X.T) * (D @ D.T)
    expected = 2 / 32 * expected.detach()
    torch.testing.assert_close(ntk(net, X, outputs=0), expected, **EXACT)
    torch.testing.assert_close(ntk_parametrised_kernel(net, X, outputs=0), expected, **EXACT)


def test_the_twin_is_the_weighted_sum_of_the_parameters_shares() -> None:
    for name in ("mlp", "ccp", "siren"):
        net = make(name)
        expected = jacobian_kernel(net, X, init_variances(net, X))
        torch.testing.assert_close(ntk_parametrised_kernel(net, X, outputs=0), expected, **EXACT)
    full = ntk_parametrised_kernel(make("mlp"), X, X[:2], outputs="full")
    assert full.shape == (6, 2, 1, 1)


def test_an_mlp_is_the_recursion_of_jacot() -> None:
    h = inputs(X)
    for _ in range(3):
        h = activation(dense(h, 2.0), "relu")
    h, measured = dense(h), limit_kernel(make("mlp"), X)
    torch.testing.assert_close(measured.ntk, h.T[..., 0, 0])
    torch.testing.assert_close(measured.covariance, h.S[..., 0, 0])


def polynomial_kernel(x: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """CCP without activation: S = c (1 + c)^(N-1), T = S + dS/dc c, c = <x, x'> / d."""
    c = x @ x.T / x.shape[1]
    S = c * (1 + c) ** (degree - 1)
    return S, S + c * ((1 + c) ** (degree - 1) + (degree - 1) * c * (1 + c) ** max(degree - 2, 0))


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_ccp_is_a_polynomial_of_the_inner_product(degree: int) -> None:
    S, T = polynomial_kernel(X, degree)
    for net in (make("ccp", degree=degree), make("cope", degree=degree, condition=1)):
        torch.testing.assert_close(tuple(limit_kernel(net, X)), (S, T), **EXACT)


def test_reductions_between_families() -> None:
    def kernel(name: str, **options: Any) -> Tensor:
        return limit_kernel(make(name, **options), X).ntk

    torch.testing.assert_close(kernel("prodpoly", blocks=1, degree=3), kernel("ccp", degree=3))
    torch.testing.assert_close(kernel("ccp", degree=1), kernel("mlp", depth=1, activation="none", bias=False))
    torch.testing.assert_close(kernel("ncp", degree=1), kernel("ncp_skip", degree=1))
    torch.testing.assert_close(kernel("complex_mlp", complex_input=True), 2 * kernel("mlp", depth=2))


def test_a_complex_net_is_blind_to_the_imaginary_inner_product() -> None:
    net = make("complex_mlp", complex_input=True)
    z = torch.complex(X[:, :2], X[:, 2:])
    turned = torch.view_as_real(z * torch.exp(torch.tensor(0.7j))).movedim(-1, 1).flatten(1)
    inner = (z @ (z * torch.exp(torch.tensor(0.7j))).mH).imag - (z @ z.mH).imag
    assert float(inner.abs().max()) > 0.1
    torch.testing.assert_close(limit_kernel(net, turned).ntk, limit_kernel(net, X).ntk)


@pytest.mark.parametrize("name", ["mlp", "ncp_skip", "mfn_fourier", "swiglu", "cnn"])
def test_kernels_are_symmetric_and_positive_and_agree_with_their_rectangles(name: str) -> None:
    x = points(7, 1, 8, 8)
    both = limit_kernel(make(name, (1, 8, 8)), x)
    for whole, part in zip(both, limit_kernel(make(name, (1, 8, 8)), x[:3], x), strict=True):
        torch.testing.assert_close(whole, whole.T)
        assert float(torch.linalg.eigvalsh(whole)[0]) > -1e-12 * float(whole.trace())
        torch.testing.assert_close(whole[:3], part)


def test_tiles_do_not_change_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = (make("pnn_skip"), make("swiglu"))
    whole = [limit_kernel(net, X) for net in nets]
    monkeypatch.setattr("hpnets.theory.limits.CACHED", 4)
    for net, before in zip(nets, whole, strict=True):
        torch.testing.assert_close(tuple(limit_kernel(net, X)), tuple(before))
        torch.testing.assert_close(tuple(limit_kernel(net, X, X[:5])), tuple(k[:, :5] for k in before))


def test_gradients_through_tiles_and_their_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, weights = make("pnn"), X.clone().requires_grad_(), points(6, 6)
    whole, tiled = (gradient(net, x, weights, cached, monkeypatch) for cached in (36, 4))
    torch.testing.assert_close(tiled, whole, **EXACT)


def gradient(net: nn.Module, x: Tensor, weights: Tensor, cached: int, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """d/dx of sum_ij w_ij (S_ij + T_ij), by tiles of sqrt(cached) points."""
    monkeypatch.setattr("hpnets.theory.limits.CACHED", cached)
    kernel = limit_kernel(net, x)
    return torch.autograd.grad((weights * (kernel.covariance + kernel.ntk)).sum(), x)[0]


@pytest.mark.parametrize("name", ["mlp", "pnn_skip", "ncp", "bilinear", "siren", "mfn_fourier"])
def test_kernels_are_differentiable_at_equal_points_too(name: str) -> None:
    net, x = make(name), points(2, 4).requires_grad_()
    kernels = lambda x: torch.stack(tuple(limit_kernel(net, x)))  # noqa: E731
    assert torch.autograd.gradcheck(lambda x: kernels(x).diagonal(dim1=1, dim2=2), x)
    y = points(2, 4, seed=1)
    assert torch.autograd.gradcheck(lambda x: torch.stack(tuple(limit_kernel(net, x, y))), x)
    twice = torch.stack([x[0], x[0]])
    assert torch.isfinite(torch.autograd.grad(kernels(twice).sum(), x)[0]).all()


def test_float32_points_are_computed_in_float64() -> None:
    single = limit_kernel(make("mlp"), X.float())
    assert single.ntk.dtype == torch.float64
    torch.testing.assert_close(single.ntk, limit_kernel(make("mlp"), X.float().double()).ntk)


REFUSED = {
    "style_generator": "outputs are pixels",
    "adain": "InstanceNorm2d divides by the deviation",
    "dcn": "cross layers are as wide as the input",
    "dpolynet": "share features",
    "focalnet": "gates, one map a level, stay random",
    "gmlp": "token-mixing weights, n x n, stay random",
    "mambaout": "first layer, whose uniform weights",
    "mfn_gabor": "windows' widths are random",
    "spade": "uniform biases",
    "starnet": "deviation 0.02 at any fan-in",
    "polynext": "products are of depthwise convolutions",
    "van": "depthwise convolutions",
}
ONLY_WITHOUT_ACTIVATION = {"film", "pdc", "poly_inr", "resnet18", "se_resnet"}


@pytest.mark.parametrize("name", list_models())
def test_every_model_has_a_limit_or_a_reason(name: str) -> None:
    net, x = make(name, (1, 8, 8)), points(2, 1, 8, 8)
    if name in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name]):
            limit_kernel(net, x)
        return
    if name in ONLY_WITHOUT_ACTIVATION:
        with pytest.raises(ValueError, match="not Gaussian has no limit in closed form"):
            limit_kernel(net, x)
        net = make(name, (1, 8, 8), activation="none")
    for kernel in limit_kernel(net, x):
        assert torch.isfinite(kernel).all()
        assert float(torch.linalg.eigvalsh(kernel)[0]) > 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"activation": "relu6"}, "leaves a relative error"),
        ("quadratic", {"activation": "relu"}, "not Gaussian"),
        ("cnn", {"norm": "none"}, "uniform weights or biases"),
        (
            "complex_mlp",
            {"activation": "cardioid"},
            "mixes real and imaginary part; allowed: none, modrelu",
        ),
        ("film", {"activation": "none", "norm": "instance"}, "InstanceNorm2d"),
        ("pinet", {"norm": "group"}, "allowed: norm 'batch' or 'none'"),
        ("poly_inr", {"activation": "none", "clamp": 1e-3}, "clamp is 0.001, but a level's deviation"),
    ],
)
def test_options_without_a_limit_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        limit_kernel(make(name, (1, 8, 8), **options), points(2, 1, 8, 8))


def test_batch_norm_in_train_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"couples the points; allowed: eval mode, net.eval\(\)"):
        limit_kernel(make("cnn", (1, 8, 8)).train(), points(2, 1, 8, 8))


def test_batch_norm_that_has_seen_data_is_refused() -> None:
    net = make("cnn", (1, 8, 8))
    for buffer in ("running_mean", "running_var"):
        seen = make("cnn", (1, 8, 8))
        next(b for name, b in seen.named_buffers() if name.endswith(buffer)).add_(0.5)
        with pytest.raises(ValueError, match="allowed: running mean 0 and variance 1"):
            limit_kernel(seen, points(2, 1, 8, 8))
    assert torch.isfinite(limit_kernel(net, points(2, 1, 8, 8)).ntk).all()


@pytest.mark.parametrize(
    ("name", "shape", "wrong"), [("mlp", (4,), (3, 5)), ("cnn", (1, 8, 8), (3, 8, 8)), ("ccp", (4,), (5,))]
)
def test_points_of_another_shape_than_the_inputs_are_refused(
    name: str, shape: tuple[int, ...], wrong: tuple[int, ...]
) -> None:
    net, x = make(name, shape), points(2, *wrong)
    for call in (limit_kernel, init_variances):
        with pytest.raises(ValueError, match=rf"x1 holds points of shape \({wrong[0]},.*allowed: those that"):
            call(net, x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": (3, 1)}, r"kernel_size of a Conv2d is \(3, 1\)"),
        ({"stride": (1, 2)}, r"stride of a Conv2d is \(1, 2\)"),
        ({"padding": "same"}, "padding of a Conv2d is 'same'"),
        ({"groups": 2}, "groups of a Conv2d is 2"),
        ({"dilation": 2}, r"dilation of a Conv2d is \(2, 2\)"),
        ({"padding_mode": "circular"}, "padding_mode of a Conv2d is 'circular'"),
    ],
)
def test_convolutions_that_the_algebra_does_not_describe_are_refused(options: dict[str, Any], message: str) -> None:
    layer = nn.Conv2d(2, 4, **{"kernel_size": 3, **options})
    with pytest.raises(ValueError, match=message):
        Laws().conv(inputs(points(2, 2, 8, 8)), layer, gain=1.0)


def test_memory_is_kept_or_refused() -> None:
    with pytest.raises(ValueError, match=r"two kernels of 6 x 6 points take 576; allowed: some 3 x 3 points"):
        limit_kernel(make("mlp"), X, memory=200)
    with pytest.raises(ValueError, match=r"one pair of points takes 1179648 beside the kernels.*smaller images"):
        limit_kernel(make("cnn", (1, 8, 8)), points(2, 1, 8, 8), memory="100kB")
    small = limit_kernel(make("cnn", (1, 8, 8)), points(3, 1, 8, 8), memory="2MB")
    torch.testing.assert_close(small.ntk, limit_kernel(make("cnn", (1, 8, 8)), points(3, 1, 8, 8)).ntk)
    with pytest.raises(ValueError, match="memory is 'much'"):
        limit_kernel(make("mlp"), X, memory="much")
    with pytest.raises(ValueError, match=r"x1 has dtype torch\.int64"):
        limit_kernel(make("mlp"), torch.ones(2, 4).long())
    with pytest.raises(ValueError, match=r"x1 is a list; allowed: a tensor \(N, ...\)"):
        limit_kernel(make("mlp"), [[1.0, 2.0]])


@pytest.mark.parametrize("size", [1e-120, 1e-80, 1e80, 1e120])
@pytest.mark.parametrize("name", ["mlp", "complex_mlp"])
def test_a_homogeneous_kernel_scales_with_its_points(name: str, size: float) -> None:
    for whole, scaled in zip(limit_kernel(make(name), X), limit_kernel(make(name), X * size), strict=True):
        torch.testing.assert_close(scaled / size / size, whole, rtol=1e-12, atol=0)


def test_points_of_very_different_sizes() -> None:
    sizes = torch.tensor([1e-120, 1e-70, 1.0, 0.0, 1e70, 1e120], dtype=torch.float64)[:, None]
    scaled, whole = limit_kernel(make("mlp"), X * sizes).ntk, limit_kernel(make("mlp"), X).ntk
    torch.testing.assert_close(scaled, whole * sizes * sizes.T, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", list_models())
def test_points_whose_squares_leave_float64_are_refused(name: str) -> None:
    net, x = make(name, (1, 8, 8)), torch.ones(2, 1, 8, 8, dtype=torch.float64)
    for size in (1e160, 1e150, 1e-150, 1e-170):
        x[1] = size
        message = rf"holds a point of size {re.escape(f'{size:.3g}')}, .*allowed: a largest entry of 0, or from 1e-140"
        for call in (partial(limit_kernel, net), inputs, lambda x: inputs(x[:1], x)):
            with pytest.raises(ValueError, match=message):
                call(x)


@pytest.mark.parametrize("name", ["pnn", "ccp", "quadratic", "ncp_skip"])
def test_kernels_that_leave_float64_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"at points of size 1e\+100 exceeds float64.*allowed: smaller points"):
        limit_kernel(make(name), X / X.abs().max() * 1e100)


class Plain(nn.Module):
    """x -> V x."""

    def __init__(self) -> None:
        super().__init__()
        self.V = nn.Linear(4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.V(x)


def test_a_limit_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_DERIVATIONS, "_entries", dict(_DERIVATIONS.entries))
    with pytest.raises(ValueError, match=r"no limit kernel is derived for .*Plain; write one with"):
        limit_kernel(Plain(), X)

    @register_limit(Plain)
    def plain(net: Any, x: Points, laws: Laws) -> Moments:
        return laws.dense(x.flat(), net.V, gain=2.0)

    with pytest.raises(ValueError, match=r"limit of .*Plain.* is registered already"):
        register_limit(Plain)(plain)
    torch.testing.assert_close(limit_kernel(Plain(), X).ntk, X @ X.T / 2)
    assert init_variances(Plain(), X) == {"V.weight": 0.5}

    class Another(Plain):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).relu()

    with pytest.raises(ValueError, match=r"no limit kernel is derived for .*Another"):
        limit_kernel(Another(), X)


def test_layers_alike_are_computed_once_and_independent() -> None:
    laws, (first, *others) = Laws(), [nn.Linear(4, 8) for _ in range(3)]
    feature = activation(laws.dense(inputs(X), first, gain=3.0, bias=0.0), "relu")
    alike = list(laws.alike(feature, first, others))
    assert all(other.S is feature.S for other in alike)
    product = feature * alike[0] * alike[1]
    torch.testing.assert_close(product.T, 3 * feature.T * feature.S**2)
    assert [laws.variances[id(layer.weight)] for layer in (first, *others)] == [0.75] * 3
    assert [laws.variances[id(layer.bias)] for layer in (first, *others)] == [0.0] * 3


@pytest.mark.parametrize("name", ["mlp", "ccp", "swiglu"])
def test_the_ntk_parametrisation_has_the_same_limit_and_twin(name: str) -> None:
    standard, scaled = make(name, width=16), make(name, width=16, parametrisation="ntk")
    torch.testing.assert_close(tuple(limit_kernel(scaled, X)), tuple(limit_kernel(standard, X)))
    torch.testing.assert_close(
        ntk_parametrised_kernel(scaled, X, outputs=0),
        ntk_parametrised_kernel(standard, X, outputs=0),
        rtol=1e-5,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="mup; allowed: standard or ntk"):
        limit_kernel(make(name, width=16, parametrisation="mup", base_width=4), X)


@pytest.mark.parametrize("name", ["pinet", "rpolynet", "monet", "linear_attention", "film", "se_resnet", "pdc"])
def test_additive_twins_have_limits_of_their_own(name: str) -> None:
    linear: dict[str, Any] = {} if name in ("monet", "linear_attention") else {"activation": "none"}
    linear |= {"alpha0": 1.0} if name == "pdc" else {}
    x = points(2, 1, 8, 8)
    product, twin = (limit_kernel(make(name, (1, 8, 8), product=p, **linear), x).ntk for p in ("hadamard", "sum"))
    assert torch.isfinite(twin).all()
    assert float((product - twin).norm() / product.norm()) > 1e-3
