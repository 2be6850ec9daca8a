"""Limits of complex networks: the closed forms of products, drawn complex features, the witness, and ensembles."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from hpnets.models import create_model
from hpnets.ntk.metrics import complexity_witness
from hpnets.theory import (
    Points,
    dense,
    ensemble_kernel,
    init_variances,
    limit_kernel,
    ntk_parametrised_kernel,
    real_parts,
    split,
)
from tests.theory.oracle import jacobian_kernel, points

EXACT = {"rtol": 1e-10, "atol": 1e-10}
D = 3
X = points(5, 2 * D)
Z = torch.complex(X[:, :D], X[:, D:])


def net_of(degree: int, activation: str, skip: bool, width: int = 8, **options: Any) -> Any:
    made = {"degree": degree, "activation": activation, "skip": skip, "width": width, "complex_input": True}
    return create_model("complex_ccp", **{"input_shape": (2 * D,), "output_dim": 1, **made, **options}).double()


def one_factor(activation: str) -> tuple[Tensor, ...]:
    """P = E[s s'*], D and the mean of a factor, by the arc-cosine kernels at an angle, of c = <z, z'> / d."""
    c = Z @ Z.mH / D
    if activation == "none":
        return c, c, torch.zeros(len(Z), dtype=torch.float64)
    n = c.diagonal().real.sqrt()[:, None] * c.diagonal().real.sqrt()

    def arc(a: Tensor) -> tuple[Tensor, Tensor]:
        angle = torch.acos((a / n).clamp(-1, 1))
        k_0 = (math.pi - angle) / (2 * math.pi)
        return k_0, n * (angle.sin() + (math.pi - angle) * angle.cos()) / (2 * math.pi)

    (r_0, r_1), s = arc(c.real), c.imag  # k_1(s) - k_1(-s) = s / 2, k_0(s) + k_0(-s) = 1
    return torch.complex(r_1, s / 4), torch.complex(c.real * r_0, s / 4), n.diagonal().sqrt() / (2 * math.pi**0.5)


@pytest.mark.parametrize(("activation", "skip"), list(product(("none", "split_relu"), (False, True))))
def test_the_closed_forms_of_the_products(activation: str, skip: bool) -> None:
    """S = Re P^N, T = Re[P^N + N D P^(N-1)]; with a skip by Q = 1 + mu + mu' + i (mu - mu') + P."""
    P, D_, mu = one_factor(activation)
    Q = 1 + torch.complex(mu[:, None] + mu, mu[:, None] - mu) + P
    for N in (1, 2, 3, 5):
        S = P * Q ** (N - 1) if skip else P**N
        last = (N - 1) * P * D_ * Q ** max(N - 2, 0)
        T = S + (D_ * Q ** (N - 1) + last if skip else N * D_ * P ** (N - 1))
        ours = tuple(limit_kernel(net_of(N, activation, skip), X))
        torch.testing.assert_close(ours, (S.real, T.real), rtol=1e-8, atol=1e-8)  # acos loses digits near 1


def test_a_split_layer_has_the_moments_of_drawn_features() -> None:
    """S and the mean, and T of a layer over complex features, from 400,000 draws: within 6 standard errors or so."""
    generator = torch.Generator().manual_seed(0)
    A, B = torch.randn(2, 400_000, D, generator=generator, dtype=torch.float64) * (0.5 / D) ** 0.5
    u = torch.complex(A, B) @ Z.T
    t = torch.complex(*torch.randn(2, 5, 5, generator=generator, dtype=torch.float64))
    t = t @ t.mH  # the tangent of the layer below
    for name, s, ds in (
        ("relu", torch.relu, lambda a: (a > 0).double()),
        ("tanh", torch.tanh, lambda a: 1 - a.tanh() ** 2),
    ):
        y, a, b = torch.complex(s(u.real), s(u.imag)), ds(u.real), ds(u.imag)
        n = len(u)
        h = dense(Points(X, X).complex(halves=True))
        layer = split(type(h)(h.S, t[..., None, None], h.S_1, h.S_2, gaussian=True), name)
        close = {"rtol": 0, "atol": 0.02}
        torch.testing.assert_close(layer.S[..., 0, 0], y.T @ y.conj() / n, **close)
        torch.testing.assert_close(layer.S_1[:, 0, 0], (y * y.conj()).mean(0), **close)
        mean = torch.zeros(5, dtype=torch.complex128) if layer.mean is None else layer.mean[0][:, 0]
        torch.testing.assert_close(mean, y.mean(0), **close)
        aa, bb, ba, ab = (p.T @ q / n for p, q in ((a, a), (b, b), (b, a), (a, b)))
        # t has the parts t_aa = t_bb = Re t / 2 and t_ba = -t_ab = Im t / 2
        T = torch.complex(t.real * (aa + bb) / 2, t.imag * (ba + ab) / 2)
        torch.testing.assert_close(layer.T[..., 0, 0], T, rtol=0.02, atol=0.02)


def test_complex_moments_keep_the_rules_for_sums_and_products() -> None:
    """Of 200,000 drawn coordinates y = (1 + s(u)) (0.5 + s(w)): S, and the mean."""
    generator = torch.Generator().manual_seed(1)
    x = Points(X, X).complex(halves=True)
    one, two = split(dense(x), "relu"), split(dense(x), "relu")
    y = (1 + one) * (0.5 + two) + split(dense(x), "relu")
    A, B = torch.randn(2, 3, 200_000, D, generator=generator, dtype=torch.float64) * (0.5 / D) ** 0.5
    u = torch.complex(A, B) @ Z.T
    a, b, c = torch.complex(u.real.relu(), u.imag.relu())
    drawn = (1 + a) * (0.5 + b) + c
    assert y.mean is not None
    torch.testing.assert_close(y.S[..., 0, 0], drawn.T @ drawn.conj() / len(drawn), rtol=0.03, atol=0.03)
    torch.testing.assert_close(y.mean[0][:, 0], drawn.mean(0), rtol=0.03, atol=0.03)
    parts = real_parts(y)
    torch.testing.assert_close(parts.S, y.S.real / 2)
    with pytest.raises(ValueError, match="not Gaussian has no limit in closed form"):
        split(y, "relu")
    with pytest.raises(ValueError, match="activation is 'relux'"):
        split(dense(x), "relux")


@pytest.mark.parametrize("activation", ["none", "split_relu", "split_tanh"])
def test_finite_networks_tend_to_the_limit_at_the_rate_of_the_width(activation: str) -> None:
    """Median error of 8 networks at m = 64 and 1024: 16 times the width gives a quarter of the error."""
    for options in ({"degree": 2, "skip": False}, {"degree": 3, "skip": True}, {"degree": 2, "skip": True, **SUM}):
        errors = []
        for width in (64, 1024):
            K = limit_kernel(net_of(width=width, activation=activation, **options), X).ntk
            kernels = []
            for seed in range(8):
                torch.manual_seed(seed)
                net = net_of(width=width, activation=activation, **options)
                kernels.append(ntk_parametrised_kernel(net, X, outputs=0))
            errors.append(float((torch.stack(kernels) - K).flatten(1).norm(dim=1).median() / K.norm()))
        assert -0.75 < math.log(errors[1] / errors[0]) / math.log(16) < -0.3
        assert errors[1] < 0.15


def test_gradients_of_the_real_pairs_add_up_to_the_kernel() -> None:
    """By autograd on (A, B) alone, each parameter with the variance that the limit takes."""
    net = net_of(3, "split_relu", skip=True)
    variances = init_variances(net, X)
    assert set(variances.values()) == {0.0, 1 / 8, 1 / (2 * D)}
    torch.testing.assert_close(ntk_parametrised_kernel(net, X, outputs=0), jacobian_kernel(net, X, variances), **EXACT)


SUM: dict[str, Any] = {"product": "sum"}
WITNESS = {  # T(z, z') / T(z, z) at r = .3, s = 0, .4, .8
    ("none", False, 2): (0.090, -0.070, -0.550),
    ("none", False, 3): (0.027, -0.117, -0.549),
    ("none", True, 2): (0.174, 0.078, -0.210),
    ("none", True, 3): (0.104, -0.024, -0.408),
    ("split_relu", False, 2): (0.135, 0.095, -0.025),
    ("split_relu", False, 3): (0.059, 0.011, -0.136),
    ("split_relu", True, 2): (0.268, 0.255, 0.216),
    ("split_relu", True, 3): (0.219, 0.196, 0.129),
}


def test_products_see_the_imaginary_part_and_additive_networks_do_not() -> None:
    def witness(net: Any) -> Any:
        return complexity_witness(lambda x: limit_kernel(net, x).ntk, D)

    for (activation, skip, degree), values in WITNESS.items():
        assert witness(net_of(degree, activation, skip)).values == pytest.approx(values, abs=6e-4)
        assert witness(net_of(degree, activation, skip, **SUM)).spread < 1e-9
    for activation in ("none", "modrelu", "split_relu", "split_tanh"):
        assert witness(net_of(1, activation, skip=False)).spread < 1e-9
        mlp = create_model(
            "complex_mlp", input_shape=(2 * D,), output_dim=1, width=8, activation=activation, complex_input=True
        )
        assert witness(mlp.double()).spread < 1e-9


def test_real_inputs_have_the_limit_of_complex_ones_without_imaginary_part() -> None:
    real, x = net_of(3, "split_relu", skip=True, complex_input=False, input_shape=(D,)), X[:, :D]
    pairs = torch.cat([x, 0 * x], 1)
    torch.testing.assert_close(
        tuple(limit_kernel(real, x)), tuple(limit_kernel(net_of(3, "split_relu", skip=True), pairs))
    )


def test_kernels_are_differentiable() -> None:
    net, x = net_of(2, "split_relu", skip=True), X[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: limit_kernel(net, x, X[2:]).ntk, x)


def test_what_has_no_limit_says_why() -> None:
    for activation in ("cardioid", "zrelu", "phase_tanh"):
        with pytest.raises(ValueError, match=f"activation '{activation}'.*or measure it by `ensemble_kernel`"):
            limit_kernel(net_of(2, activation, skip=True), X)
    with pytest.raises(ValueError, match="shared factors are dependent"):
        limit_kernel(net_of(3, "none", skip=True, shared=True), X)


def test_an_ensemble_stands_for_the_limit() -> None:
    """Of what has one, within 5 of its standard errors and a finite width's bias, and without a trace in the RNG."""

    def make() -> Any:
        return net_of(2, "split_relu", skip=False, width=256, parametrisation="ntk")

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    mean, error = ensemble_kernel(make, X, X[:2], seeds=32)
    assert torch.equal(torch.random.get_rng_state(), before)
    limit = limit_kernel(net_of(2, "split_relu", skip=False), X, X[:2]).ntk
    assert float(((mean - limit).abs() / error).max()) < 5
    assert float(error.max() / limit.abs().max()) < 0.1
    again = ensemble_kernel(make, X.float(), X[:2].float(), seeds=32)
    torch.testing.assert_close(again.ntk, mean, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="seeds is 1; allowed: an integer >= 2"):
        ensemble_kernel(make, X, seeds=1)
