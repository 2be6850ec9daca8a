"""What the kernel's functions answer to arguments of the wrong kind, and the odd ones that they take."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import NTKOperator, ntk, ntk_blocks, parse_bytes, plan, sketch
from tests.ntk.oracle import dense_kernel, relative

X = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ntk": lambda *a, **k: ntk(*a, outputs="full", **k),
    "plan": lambda *a, **k: plan(*a, outputs="full", **k),
    "sketch": lambda *a, **k: sketch(*a, outputs="full", samples=2, seed=0, **k),
    "NTKOperator": lambda *a, **k: NTKOperator(*a, outputs="full", **k),
    "ntk_blocks": lambda *a, **k: ntk_blocks(*a, outputs="full", **k),
}


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return create_model("mlp", input_shape=(4,), output_dim=3, width=5)


class Then(nn.Module):
    """f after an MLP."""

    def __init__(self, f: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.f = mlp(), f

    def forward(self, x: Tensor) -> Any:
        return self.f(self.net(x))


class Complex(nn.Module):
    """x -> |x W| for a complex W."""

    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(torch.complex64) @ self.W).abs()


class Pairs(nn.Module):
    """The same in float64, for a W and inputs that are real pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(4, 3, 2, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (torch.view_as_complex(x) @ torch.view_as_complex(self.W)).abs()


def with_params(change: Callable[[Tensor], Any], only_first: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    net = mlp()
    changed = {k: change(p) if i == 0 or not only_first else p for i, (k, p) in enumerate(net.named_parameters())}
    return (net, X), {"params": changed}


def after(f: Callable[[Tensor], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (Then(f), X), {}


def of(x: Any, net: Any = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (mlp() if net is None else net, x), {}


BAD: dict[str, tuple[tuple[tuple[Any, ...], dict[str, Any]], str]] = {
    "net: function": (of(X, lambda x: x), "net is a function; allowed: an nn.Module"),
    "net: class": (of(X, nn.Linear), "net is a type; allowed: an nn.Module"),
    "net: complex": (of(X, Complex()), r"parameter 'W' has dtype torch.complex64; .*torch.view_as_complex of them"),
    "net: meta": (of(X, mlp().to("meta")), r"parameter 'W.0.weight' is on the meta device; .*to_empty"),
    "params: list": (((mlp(), X), {"params": [X]}), r"params is a list; allowed: .*dict\(net.named_parameters\(\)\)"),
    "params: numpy": (
        with_params(lambda p: p.detach().numpy()),
        r"params\['W.0.weight'\] is a ndarray; allowed: a ten",
    ),
    "params: double": (
        with_params(Tensor.double),
        r"params\['W.0.weight'\] has dtype torch.float64; .*that of net and x1",
    ),
    "params: one double": (with_params(Tensor.double, True), "parameters have dtype .*float32', 'torch.float64'"),
    "params: shape": (
        with_params(lambda p: p[None]),
        r"params\['W.0.weight'\] has shape \(1, 5, 4\); allowed: \(5, 4\)",
    ),
    "params: complex": (with_params(lambda p: p.to(torch.complex64)), "parameter 'W.0.weight' has dtype .*real pairs"),
    "params: meta": (with_params(lambda p: p.to("meta")), "parameter 'W.0.weight' is on the meta device"),
    "x: one sample": (of(X[0]), r"x1 has shape \(4,\); allowed: \(N, ...\) .*x1\[None\] .*x1\[:, None\]"),
    "x: number": (of(X[0, 0]), r"x1 has shape \(\); allowed: \(N, ...\)"),
    "x: empty": (of(X[:0]), r"x1 has shape \(0, 4\); allowed: \(N, ...\) with N >= 1"),
    "x: double": (of(X.double()), r"x1 has dtype torch.float64; .* x1.to\(torch.float32\) or net.double\(\)"),
    "x: half": (of(X.half()), r"x1 has dtype torch.float16; .* x1.to\(torch.float32\)$"),
    "x: tokens": (of(X.long()), r"x1 has dtype torch.int64; .*cast it back inside the net .*x.long\(\)"),
    "x: complex": (of(X.to(torch.complex64)), r"x1 has dtype torch.complex64; .*torch.view_as_real\(x1\)"),
    "x: tuple": (of((X, X)), r"x1 is a tuple; allowed: one tensor \(N, ...\): one that holds all inputs"),
    "x: dict": (of({"a": X}), "x1 is a dict; allowed: one tensor .*a module around net takes apart"),
    "x: list": (of(X.tolist()), r"x1 is a list; allowed: one tensor .*torch.as_tensor\(x1\)"),
    "x: numpy": (of(X.numpy()), r"x1 is a ndarray; allowed: one tensor .*torch.as_tensor\(x1\)"),
    "x: sparse": (of(X.to_sparse()), r"x1 is torch.sparse_coo; allowed: a dense tensor: x1.to_dense\(\)"),
    "x: meta": (of(X.to("meta")), "x1 is on the meta device"),
    "x: NaN": (of(X * math.nan), "x1 holds NaN or Inf"),
    "outputs: (N,)": (after(lambda y: y[:, 0]), r"torch.float32 \(2,\); allowed: .* returns y\[:, None\]"),
    "outputs: (N, T, V)": (after(lambda y: y[..., None]), r"\(2, 3, 1\); allowed: .* returns y.flatten\(1\)"),
    "outputs: a loss": (after(Tensor.sum), r"\(\); allowed: .*one row a sample .*without a mean or sum"),
    "outputs: transposed": (after(lambda y: y.T), r"\(3, 2\); allowed: .*one row a sample"),
    "outputs: sparse": (after(Tensor.to_sparse), r"torch.sparse_coo; allowed: .* returns y.to_dense\(\)"),
    "outputs: dict": (
        after(lambda y: {"logits": y}),
        "to a dict; allowed: .*a module around net that returns the logits",
    ),
    "outputs: tuple": (after(lambda y: (y, y)), "to a tuple; allowed: .*a module around net that returns the logits"),
    "outputs: double": (after(Tensor.double), r"torch.float32 to torch.float64 .* returns y.to\(torch.float32\)"),
    "outputs: complex": (after(lambda y: y.to(torch.complex64)), r"returns torch.view_as_real\(y\).flatten\(1\)"),
    "outputs: NaN": (after(lambda y: y * math.nan), "net gives outputs that hold NaN or Inf"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_says_what_to_do(name: str) -> None:
    (arguments, named), message = BAD[name]
    for function in FUNCTIONS.values():
        with pytest.raises(ValueError, match=message) as refused:
            function(*arguments, **named)
        assert "\n" not in str(refused.value)


def test_too_few_rows_are_refused() -> None:
    net, x = Then(lambda y: y[:3]), torch.randn(6, 4)
    for function in (FUNCTIONS["ntk"], FUNCTIONS["sketch"], FUNCTIONS["NTKOperator"], FUNCTIONS["ntk_blocks"]):
        with pytest.raises(ValueError, match=r"\(3, 3\); allowed: .*one row a sample"):
            function(net, x)
    for pair in ((x, x[:3]), (x[:3], x)):
        with pytest.raises(ValueError, match=r"\(3, 3\); allowed: .*one row a sample"):
            ntk(net, *pair, outputs="full")


def test_x2_is_checked_as_x1_is() -> None:
    for function in (FUNCTIONS["ntk"], FUNCTIONS["plan"], FUNCTIONS["ntk_blocks"]):
        for x2, message in ((X.numpy(), "x2 is a ndarray"), (X.double(), "x2 has dtype"), (X[0], "x2 has shape")):
            with pytest.raises(ValueError, match=message):
                function(mlp(), X, x2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_devices_are_named() -> None:
    there = X.to("cuda")
    for arguments, message in [
        ((mlp(), there), "x1 is on cuda:0; allowed: cpu, where the parameters are"),
        ((mlp(), X, there), "x2 is on cuda:0; allowed: cpu"),
    ]:
        with pytest.raises(ValueError, match=message):
            ntk(*arguments, outputs="full")
    net = mlp()
    with pytest.raises(ValueError, match=r"params\['W.0.weight'\] is on cuda:0; allowed: cpu"):
        ntk(net, X, outputs="full", params={k: p.to("cuda") for k, p in net.named_parameters()})


@pytest.mark.parametrize(
    ("outputs", "same"),
    [
        ([0, 2], (0, 2)),
        (np.int64(1), 1),
        (torch.tensor(1), 1),
        ((np.int32(2), torch.tensor(0)), (2, 0)),
    ],
    ids=str,
)
def test_logits_are_integers_of_any_kind(outputs: Any, same: Any) -> None:
    torch.testing.assert_close(ntk(mlp(), X, outputs=outputs), ntk(mlp(), X, outputs=same), rtol=0, atol=0)


@pytest.mark.parametrize("outputs", [np.bool_(True), torch.tensor(True), 1.0, [], [0.5], np.eye(3), {0}], ids=str)
def test_what_names_no_outputs_is_refused(outputs: Any) -> None:
    with pytest.raises(ValueError, match=r"outputs is .*; allowed: .*cotangents \(3, C\)"):
        ntk(mlp(), X, outputs=outputs)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        *((1.5e9, 15 * 10**8), (np.int64(7), 7), (np.float32(2.5), 2), ("2G", 2 * 10**9), ("2GB", 2 * 10**9)),
        *(("3m", 3 * 10**6), (" 1.5 K ", 1500), ("1KiB", 1024)),
    ],
    ids=str,
)
def test_sizes_in_bytes(memory: Any, expected: int) -> None:
    assert parse_bytes(memory) == expected


@pytest.mark.parametrize("memory", [math.nan, -1, 0, 0.5, True, None, [1], "12", "-2G", "2 G B", "nanGB", ""], ids=str)
def test_what_is_no_size_is_refused(memory: Any) -> None:
    with pytest.raises(ValueError, match=r"memory is .*; allowed: a number of bytes >= 1, or a text such as"):
        parse_bytes(memory)


def test_inputs_that_require_gradients_are_as_good() -> None:
    net, x = mlp().double(), X.double().requires_grad_()
    truth = dense_kernel(net, x.detach())
    for given in (x, x * 1.0):
        for algorithm in ("auto", "structured", "jacobian", "ntkvp"):
            kernel = ntk(net, given, outputs="full", algorithm=algorithm)
            assert relative(kernel, truth) < 1e-10
            assert not kernel.requires_grad
        assert relative(sum(ntk_blocks(net, given, outputs="full").values()), truth) < 1e-10
        operator = NTKOperator(net, given, outputs="full")
        matrix = truth.permute(0, 2, 1, 3).reshape(12, 12)
        torch.testing.assert_close(operator.matmat(torch.eye(12).double()), matrix)
        assert torch.isfinite(sketch(net, given, outputs="full", samples=2, seed=0).kernel).all()
    assert x.grad is None


def test_complex_weights_as_real_pairs_are_exact() -> None:
    """As the refusal of complex parameters and inputs says."""
    torch.manual_seed(0)
    net, x = Pairs(), torch.randn(5, 4, 2, dtype=torch.float64)
    assert relative(ntk(net, x, outputs="full"), dense_kernel(net, x)) < 1e-12


def test_params_of_another_precision_than_the_net() -> None:
    """Allowed where the inputs go with them, as nothing else of this net has a dtype."""
    net = mlp()
    params = {name: p.double() for name, p in net.named_parameters()}
    truth = dense_kernel(mlp().double(), X.double())
    assert relative(ntk(net, X.double(), outputs="full", params=params), truth) < 1e-10
    blocks = ntk_blocks(net, X.double(), outputs="full", params=params)
    assert relative(sum(blocks.values()), truth) < 1e-10
