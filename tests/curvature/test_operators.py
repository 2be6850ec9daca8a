"""Curvature operators against dense matrices of small nets: blocks, weights, batches, budgets, and what is refused."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, l1_loss, mse_loss

from hpnets.curvature import (
    density,
    directional_sharpness,
    gauss_newton,
    hessian,
    network_loss,
    residual,
    share_of,
    sharpness,
    trace,
)
from hpnets.linalg import spectrum
from hpnets.ntk import Params, UnprovenWarning
from tests.linalg.oracles import Product, conv_net, power_law, small_net, with_eigenvalues

NETS = {"mlp": (small_net, (4,)), "conv": (conv_net, (2, 6, 6)), "product, tied": (lambda: Product().double(), (4,))}


def batch_of(shape: tuple[int, ...] = (4,), n: int = 9, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, *shape, dtype=dtype, generator=generator), torch.randint(3, (n,), generator=generator)


def dense_hessian(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """H (P, P) by torch.func.hessian of a functional call."""
    params = {name: p.detach() for name, p in net.named_parameters()}
    sizes = [p.numel() for p in params.values()]

    def loss(theta: Tensor) -> Tensor:
        parts = theta.split(sizes)
        values = {name: t.view(p.shape) for (name, p), t in zip(params.items(), parts, strict=True)}
        return cross_entropy(functional_call(net, values, (batch[0],)), batch[1])

    return torch.func.hessian(loss)(torch.cat([p.flatten() for p in params.values()]))


def identity(rows: int) -> Tensor:
    return torch.eye(rows, dtype=torch.float64)


@pytest.mark.parametrize("name", NETS)
def test_matrices_eigenvalues_and_parts_are_those_of_the_dense_hessian(name: str) -> None:
    make, shape = NETS[name]
    net, batch = make(), batch_of(shape)
    loss, exact = network_loss(net, cross_entropy), dense_hessian(net, batch)
    H, G, R = (part(loss, loss.params, batch) for part in (hessian, gauss_newton, residual))
    eye = identity(len(exact))
    torch.testing.assert_close(H.matmat(eye), exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(G.matmat(eye) + R.matmat(eye), exact, rtol=0, atol=1e-12)
    values, vectors = torch.linalg.eigh(exact)
    top = sharpness(H, 5)
    assert top.converged
    torch.testing.assert_close(top.values, values.flip(0)[:5], rtol=1e-9, atol=0)
    v = vectors[:, -1]
    torch.testing.assert_close(share_of(G, top)[0], v @ G.matvec(v) / values[-1], rtol=1e-6, atol=0)
    g = torch.autograd.grad(cross_entropy(net(batch[0]), batch[1]), list(net.parameters()))
    flat = torch.cat([t.flatten() for t in g])
    torch.testing.assert_close(H.gradient(), flat, rtol=0, atol=1e-14)
    torch.testing.assert_close(G.gradient(), flat, rtol=0, atol=1e-14)
    assert directional_sharpness(H) == pytest.approx(float(flat @ exact @ flat / (flat @ flat)), rel=1e-9)


def test_any_function_of_parameters_and_a_batch_has_a_hessian() -> None:
    """A loss that is no network's: a quadratic form, whose matrix is known, and a constant beside its block."""
    matrix = with_eigenvalues(torch.linspace(-2, 3, 8))

    def loss(params: Params, batch: Tensor) -> Tensor:
        theta = torch.cat([params["a"].flatten(), params["b"]])
        return theta @ batch @ theta / 2

    params = {"a": torch.randn(2, 3, dtype=torch.float64), "b": torch.randn(2, dtype=torch.float64)}
    H = hessian(loss, params, matrix)
    torch.testing.assert_close(H.matmat(identity(8)), matrix, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        hessian(loss, params, matrix, block="b").matmat(identity(2)), matrix[6:, 6:], rtol=0, atol=1e-12
    )
    assert float(sharpness(H).values) == pytest.approx(3)
    assert all(not p.requires_grad for p in params.values())
    parts = H.split(torch.arange(8.0))
    assert [tuple(t.shape) for t in parts.values()] == [(2, 3), (2,)]


def test_weights_stand_on_both_sides_and_blocks_on_the_diagonal() -> None:
    net, batch = small_net(), batch_of()
    loss, exact = network_loss(net, cross_entropy), dense_hessian(net, batch)
    weights: dict[str, Tensor | float] = {name: torch.rand_like(p) for name, p in loss.params.items()}
    weights["2.bias"] = 0.25
    flat = torch.cat([torch.as_tensor(w).expand(loss.params[n].shape).flatten() for n, w in weights.items()]).double()
    root = flat.sqrt()
    A = hessian(loss, loss.params, batch, weights=weights)
    torch.testing.assert_close(A.matmat(identity(len(exact))), root[:, None] * exact * root, rtol=0, atol=1e-12)
    torch.testing.assert_close(A.gradient(), root * hessian(loss, loss.params, batch).gradient(), rtol=0, atol=1e-14)
    rows = torch.cat([torch.full((p.numel(),), name.startswith("2")) for name, p in loss.params.items()])
    block = hessian(loss, loss.params, batch, weights=weights, block="2")
    inside = (root[:, None] * exact * root)[rows][:, rows]
    torch.testing.assert_close(block.matmat(identity(len(inside))), inside, rtol=0, atol=1e-12)
    assert block.names == ("2.weight", "2.bias")
    plain = hessian(loss, loss.params, batch, memory=None)
    torch.testing.assert_close(plain.weighted(weights).matmat(identity(len(exact))), A.matmat(identity(len(exact))))
    torch.testing.assert_close(A.weighted(None).matvec(root), exact @ root, rtol=0, atol=1e-12)
    assert torch.equal(plain.matvec(root), A.weighted(None).matvec(root))


def test_several_batches_are_one_and_a_step_between_products_counts() -> None:
    net, (x, y) = small_net(), batch_of(n=20)
    loss = network_loss(net, cross_entropy)
    whole, parts = hessian(loss, loss.params, (x, y)), hessian(loss, loss.params, (x[:7], y[:7]), (x[7:], y[7:]))
    v = torch.randn(whole.shape[0], 3, dtype=torch.float64)
    before = whole.matmat(v)
    torch.testing.assert_close(parts.matmat(v), before, rtol=1e-12, atol=1e-14)
    with torch.no_grad():
        net[0].weight += 0.1
    after = whole.matmat(v)
    torch.testing.assert_close(after, dense_hessian(net, (x, y)) @ v, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(parts.matmat(v), after, rtol=1e-12, atol=1e-14)
    assert float((after - before).norm()) > 1e-3


def test_products_are_of_the_network_as_it_is() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).double().eval()
    batch = batch_of()

    def operators() -> list[Any]:
        loss = network_loss(net, cross_entropy)
        return [part(loss, loss.params, batch) for part in (hessian, gauss_newton, residual)]

    held = operators()
    v = torch.randn(held[0].shape[0], dtype=torch.float64)
    for change in (
        lambda: None,
        lambda: net[0].weight.data.mul_(2),  # which counts as no new version of the weight
        lambda: net[2].running_mean.add_(1),
        lambda: net[0].register_forward_hook(lambda module, inputs, y: y * y),
    ):
        change()
        for own, fresh in zip(held, operators(), strict=True):
            torch.testing.assert_close(own.matvec(v), fresh.matvec(v), rtol=1e-10, atol=1e-12)
    net.train()
    for own in held:
        with pytest.raises(ValueError, match="is in train mode"):
            own.matvec(v)


def test_inputs_of_any_kind_go_through_forward() -> None:
    net, (x, y) = small_net(), batch_of()
    plain, through = (network_loss(net, cross_entropy, f) for f in (None, lambda net, inputs: net(inputs["x"])))
    v = torch.randn(sum(p.numel() for p in net.parameters()), dtype=torch.float64)
    given = {name: p.detach().clone() for name, p in plain.params.items()}
    for params in (through.params, given):
        H = hessian(through, params, ({"x": x}, y))
        torch.testing.assert_close(H.matvec(v), hessian(plain, plain.params, (x, y)).matvec(v), rtol=1e-12, atol=1e-14)


def test_float32_and_scipy() -> None:
    net, batch = small_net(torch.float32), batch_of(dtype=torch.float32)
    loss = network_loss(net, cross_entropy)
    H = hessian(loss, loss.params, batch)
    top = sharpness(H, 2)
    assert H.dtype == torch.float32
    by_scipy = scipy.sparse.linalg.eigsh(H.to_scipy(), k=2, which="LA", return_eigenvectors=False)
    np.testing.assert_allclose(top.values.numpy(), np.sort(by_scipy)[::-1], rtol=1e-5)
    exact = dense_hessian(net.double(), (batch[0].double(), batch[1]))
    torch.testing.assert_close(top.values, torch.linalg.eigvalsh(exact).flip(0)[:2], rtol=1e-5, atol=0)


def test_trace_and_density_enclose_the_truth() -> None:
    net, batch = small_net(), batch_of()
    loss, exact = network_loss(net, cross_entropy), torch.linalg.eigvalsh(dense_hessian(net, batch))
    H = hessian(loss, loss.params, batch)
    estimates = [trace(H, vectors=20, seed=seed) for seed in range(20)]
    pulls = torch.tensor([(t.value - float(exact.sum())) / t.error for t in estimates])
    assert 0.6 < float(pulls.std()) < 1.5
    assert float(pulls.abs().max()) < 4
    curve = density(H, vectors=8, steps=40)
    share = float((exact < curve.grid[128]).double().mean())
    assert curve.cumulative_lower[128] - 0.02 < share < curve.cumulative_upper[128] + 0.02


@pytest.mark.parametrize("values", [power_law(30, 1.0).repeat_interleave(10), torch.linspace(-4, 2, 300).double()])
def test_single_vectors_find_repeated_and_indefinite_eigenvalues(values: Tensor) -> None:
    values = values.sort(descending=True).values
    result = spectrum(with_eigenvalues(values), 5, "lanczos", block=1)
    assert result.converged
    torch.testing.assert_close(result.eigenvalues, values[:5], rtol=1e-9, atol=0)


def test_kinks_are_named_and_second_derivatives_proven() -> None:
    batch = batch_of()
    relu = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    loss = network_loss(relu, cross_entropy)
    assert sharpness(hessian(loss, loss.params, batch)).kinks == ("relu",)
    assert gauss_newton(loss, loss.params, batch).kinks == ("relu",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smooth = network_loss(small_net(), cross_entropy)
        assert hessian(smooth, smooth.params, batch).kinks == ()
    normed = network_loss(
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 3)).double(),
        cross_entropy,
    )
    with pytest.warns(UnprovenWarning, match="weight_norm"):
        hessian(normed, normed.params, batch)


def test_a_batch_that_does_not_fit_says_what_would() -> None:
    net, (x, y) = small_net(), batch_of(n=2000)
    loss = network_loss(net, cross_entropy)
    with pytest.raises(ValueError, match=r"memory is 200000 bytes.*2000 samples.*batches of at most (\d+)") as error:
        hessian(loss, loss.params, (x, y), memory=200_000)
    fit = int(str(error.value).split("at most ")[1].split()[0])
    hessian(loss, loss.params, (x[:fit], y[:fit]), memory=200_000)
    with pytest.raises(ValueError, match="memory is 200000"):
        hessian(loss, loss.params, (x[: fit + 2], y[: fit + 2]), memory=200_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()}, "BatchNorm1d.* is in train mode"),
        ({"net": lambda: nn.Sequential(nn.Linear(4, 3), nn.Dropout()).double()}, "Dropout.* is in train mode"),
        ({"net": lambda: nn.Linear(4, 3).double(), "criterion": l1_loss, "y": torch.zeros(9, 3)}, "kinks of abs"),
        ({"criterion": lambda f, y: f.argmax(1).double().mean()}, "does not depend"),
        ({"criterion": lambda f, y: f.sum(1)}, r"the loss has shape \(2,\); allowed: one number"),
        ({"criterion": lambda f, y: f.log().sum()}, "the loss is nan"),
        ({"net": lambda: small_net().half()}, r"dtype \['torch.float16'\]"),
        ({"block": "lsat"}, "block is 'lsat', which matches no parameter; allowed: patterns of 0, 2, 4"),
        ({"weights": {"0.weight": 1.0}}, "weights lack parameter '0.bias'"),
        ({"weights": {n: -1.0 for n, _ in small_net().named_parameters()}}, r"weights\['0.weight'\] holds -1"),
        ({"weights": {n: torch.ones(2) for n, _ in small_net().named_parameters()}}, r"shape \(2,\); allowed: \(16"),
        ({"memory": "1"}, "memory is '1'"),
        ({"params": {}}, "no parameter"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    net, (x, y) = change.pop("net", small_net)(), batch_of()
    loss = network_loss(net, change.pop("criterion", cross_entropy))
    batch, params = (x, change.pop("y", y)), change.pop("params", loss.params)
    with pytest.raises(ValueError, match=message):
        hessian(loss, params, batch, **change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda loss, b: sharpness(hessian(loss, loss.params, b), 404), "k is 404; allowed: 1 to 403, the parameters"),
        (lambda loss, b: hessian(loss, loss.params), "there is no batch"),
        (lambda loss, b: hessian(loss, loss.params, b).matmat(torch.ones(3)), "V has shape"),
        (lambda loss, b: hessian(loss, loss.params, b).matvec(torch.ones(3)), "v has shape"),
        (lambda loss, b: gauss_newton(lambda p, b: loss(p, b), loss.params, b), "loss is a function; allowed: network"),
        (lambda loss, b: trace(hessian(loss, loss.params, b), vectors=1), "vectors is 1; allowed: >= 2"),
        (lambda loss, b: spectrum(hessian(loss, loss.params, b), 1, block=0), "block is 0"),
    ],
)
def test_bad_calls_are_named(call: Callable[..., object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(network_loss(small_net(), cross_entropy), batch_of())


def test_a_sum_over_samples_has_no_parts() -> None:
    loss, (x, y) = network_loss(small_net(), lambda f, y: mse_loss(f, f.detach() + 1, reduction="sum")), batch_of()
    with pytest.raises(ValueError, match="allowed for several batches or ranks: a mean over samples"):
        hessian(loss, loss.params, (x[:4], y[:4]), (x[4:], y[4:]))
