"""The smallest eigenvalue and its error against 40 digits, the rank guard, blocks, and what is refused."""

import math
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor, nn

import hpnets.ntk._lambda_min as module
from hpnets.linalg import spectrum
from hpnets.models import create_model
from hpnets.ntk import lambda_min, lambda_min_blocks, metrics, ntk, ntk_blocks, singular_values


def matrix(values: Tensor) -> Any:
    return mp.matrix(values.detach().tolist())


def gradient_of_sigmoids(net: nn.Module, x: Tensor) -> list[list[Any]]:
    """Rows of J of f = V s(W x), from the float64 weights, in 40 digits."""
    W, V = (matrix(p) for p in net.parameters())
    rows = []
    for point in x.tolist():
        h = [1 / (1 + mp.exp(-mp.fdot(W[r, :], point))) for r in range(W.rows)]
        hidden = [V[0, r] * h[r] * (1 - h[r]) * mp.mpf(c) for r in range(W.rows) for c in point]
        rows.append([*hidden, *h])
    return rows


def gradient_of_products(net: nn.Module, x: Tensor) -> list[list[Any]]:
    """The same of f = sqrt(2/m) v^T (W_1 x * W_2 x)."""
    W_1, W_2, v = (matrix(p) for p in net.parameters())
    m, rows = W_1.rows, []
    for point in x.tolist():
        a, b = ([mp.fdot(W[r, :], point) for r in range(m)] for W in (W_1, W_2))
        first = [v[0, r] * b[r] * mp.mpf(c) for r in range(m) for c in point]
        second = [v[0, r] * a[r] * mp.mpf(c) for r in range(m) for c in point]
        scale = mp.sqrt(2 / mp.mpf(m))
        rows.append([scale * g for g in (*first, *second, *(p * q for p, q in zip(a, b, strict=True)))])
    return rows


def exact(rows: list[list[Any]]) -> Any:
    """The smallest eigenvalue of J J^T."""
    J = mp.matrix(rows)
    return min(mp.eigsy(J * J.T, eigvals_only=True))


def nets() -> list[tuple[nn.Module, Any]]:
    torch.manual_seed(0)
    mlp = create_model("mlp", input_shape=(3,), output_dim=1, depth=1, width=8, activation="sigmoid", bias=False)
    pnn = create_model("pnn", input_shape=(3,), output_dim=1, degree=2, width=5, activation="none")
    return [(mlp.double(), gradient_of_sigmoids), (pnn.double(), gradient_of_products)]


@pytest.mark.parametrize("gap", [None, 1e-5, 1e-7])
def test_the_error_covers_the_distance_to_40_digits(gap: float | None) -> None:
    """Two points as near as `gap` make lambda_min as small as gap^2, which the stored kernel cannot resolve."""
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if gap is not None:
        x[5] = x[4] + gap
    for net, gradient in nets():
        with mp.workdps(40):
            true = exact(gradient(net, x))
            l = lambda_min(net, x, outputs="trace")
            by_kernel = metrics.lambda_extremes(spectrum(ntk(net, x, outputs="trace")), 100)
            assert abs(l.smallest - true) <= l.error
            assert abs(by_kernel.smallest - true) <= by_kernel.error
            assert l.error < 1e-3 * true
        assert not l.noise
        assert by_kernel.noise == (gap == 1e-7)
        assert l.largest == pytest.approx(by_kernel.largest)


def test_more_rows_than_parameters_give_0_by_counting() -> None:
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=(2,), output_dim=3, depth=1, width=2, bias=False).double()  # 10 parameters
    x = torch.randn(6, 2, dtype=torch.float64)
    full = lambda_min(net, x, outputs="full")
    assert (full.smallest, full.error, full.singular) == (0, 0, True)
    assert full.largest == pytest.approx(float(torch.linalg.matrix_norm(ntk(net, x, outputs="sum"), 2)), rel=3)
    assert lambda_min(net, x[:3], outputs="full").singular is False  # 9 rows
    assert lambda_min(net, x, outputs="trace").singular is False  # 6 rows, 30 columns
    assert singular_values(net, x, outputs="full").rank <= 10


@pytest.mark.parametrize("outputs", ["full", "trace", "sum", 1, (0, 2)])
def test_singular_values_are_those_of_the_kernel(outputs: Any) -> None:
    torch.manual_seed(0)
    net = create_model("ccp", input_shape=(4,), output_dim=3, degree=2, width=6).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    s = singular_values(net, x, outputs=outputs)
    l = spectrum(ntk(net, x, outputs=outputs)).eigenvalues
    torch.testing.assert_close(s.values.square(), l, rtol=1e-9, atol=1e-12)
    assert s.rows == len(l)
    assert s.rank == int((l > 1e-10).sum())


class Branching(nn.Module):
    """Control flow on values, which vmap refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        f = torch.stack([row @ self.w if float(row.sum()) > 0 else (row * self.w).square().sum() for row in x])
        return f[:, None]


def test_a_net_that_vmap_refuses_is_looped_over() -> None:
    x = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    net = Branching()
    J = torch.stack([row if row.sum() > 0 else 2 * row.square() * net.w.detach() for row in x])
    s = singular_values(net, x, outputs="trace")
    torch.testing.assert_close(s.values, torch.linalg.svdvals(J))


def test_without_room_for_the_jacobian_the_kernel_is_used() -> None:
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=(3,), output_dim=1, depth=2, width=128).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    exactly, by_kernel = (lambda_min(net, x, outputs="trace", memory=m) for m in ("1GiB", "2MiB"))
    assert by_kernel.smallest == pytest.approx(exactly.smallest, rel=1e-6)
    assert by_kernel.error > exactly.error
    with pytest.raises(ValueError, match=r"allowed: at least \d+, which the Jacobian \(6, 17153\) takes"):
        singular_values(net, x, outputs="trace", memory="2MiB")


def test_float32_says_that_it_resolves_less() -> None:
    torch.manual_seed(0)
    net = create_model("mlp", input_shape=(3,), output_dim=1, depth=1, width=16)
    x = torch.randn(6, 3)
    single, double = lambda_min(net, x, outputs="trace"), lambda_min(net.double(), x.double(), outputs="trace")
    assert abs(single.smallest - double.smallest) <= single.error
    assert single.error > 1e6 * double.error


def test_blocks_add_up_to_a_lower_bound() -> None:
    torch.manual_seed(0)
    net = create_model("ccp", input_shape=(4,), output_dim=1, degree=3, width=8).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    blocks, shares = lambda_min_blocks(net, x, outputs="trace"), ntk_blocks(net, x, outputs="trace")
    assert blocks.keys() == shares.keys()
    for name, share in shares.items():
        least = float(torch.linalg.eigvalsh(share)[0])
        assert blocks[name].smallest == pytest.approx(max(least, 0), abs=1e-10)
    assert sum(l.smallest for l in blocks.values()) <= lambda_min(net, x, outputs="trace").smallest
    assert lambda_min_blocks(net, x, outputs="trace", blocks=["C.bias"])["C.bias"].singular


def test_what_is_too_large_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nets()[0][0], torch.randn(6, 3, dtype=torch.float64)
    monkeypatch.setattr(module, "DENSE_ROWS", 5)
    with pytest.raises(ValueError, match=r"a kernel of 6 rows.*allowed: at most 5 rows, or memory of at least 6144"):
        lambda_min(net, x, outputs="trace", memory=100)
    with pytest.raises(ValueError, match="outputs is 'all'; allowed: 'full'"):
        lambda_min(net, x, outputs="all")
    with pytest.raises(ValueError, match="x1 has shape"):
        lambda_min(net, x[0], outputs="trace")
    assert not math.isnan(lambda_min(net, x, outputs="trace").smallest)
