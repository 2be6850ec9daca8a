"""The kernel predictor against matrix functions, descent done step by step, and its own other method."""

import math

import pytest
import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor
from hpnets.models import create_model
from hpnets.ntk import NTKOperator, ntk

G = torch.Generator().manual_seed(0)
FACTOR = torch.randn(30, 40, generator=G, dtype=torch.float64) / 6
K = (FACTOR @ FACTOR.T)[:24, :24]  # of 24 training points
CROSS = (FACTOR @ FACTOR.T)[24:, :24]
Y, START, TEST_START = (torch.randn(n, 2, generator=G, dtype=torch.float64) for n in (24, 24, 6))
METHODS = ("dense", "iterative")
TIMES = (0.0, 1e-3, 1.0, 30.0, 1e4, math.inf)


class Product:
    """K by products alone."""

    shape, dtype, device = (24, 24), torch.float64, torch.device("cpu")

    def matmat(self, v: Tensor) -> Tensor:
        return K @ v


def both(t: float, ridge: float = 0.0) -> tuple[Tensor, Tensor]:
    """f_t on the training and on the held-out points, by an explicit inverse and matrix exponential."""
    a = K + ridge * torch.eye(24, dtype=torch.float64)
    left = torch.zeros_like(a) if t == math.inf else torch.linalg.matrix_exp(-t * a / 24)
    c = torch.linalg.solve(a, (torch.eye(24, dtype=torch.float64) - left) @ (Y - START))
    return START + K @ c, TEST_START + CROSS @ c


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_flow_against_the_matrix_exponential(time: float, method: str, ridge: float) -> None:
    predictor = KernelPredictor(K, Y, START, method=method, ridge=ridge, tol=1e-10)
    c = predictor.flow(time)
    assert c.converged
    train, test = both(time, ridge)
    torch.testing.assert_close(predictor.train(c), train, rtol=0, atol=1e-7)
    torch.testing.assert_close(predictor.test(c, CROSS, TEST_START), test, rtol=0, atol=1e-7)


def test_the_formula_of_the_training_points() -> None:
    """f_t = y + exp(-t K/N) (f0 - y)."""
    predictor = KernelPredictor(K, Y, START)
    truth = Y + torch.linalg.matrix_exp(-2.5 * K / 24) @ (START - Y)
    torch.testing.assert_close(predictor.train(predictor.flow(2.5)), truth, rtol=0, atol=1e-10)
    torch.testing.assert_close(predictor.train(predictor.flow(math.inf)), Y, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lr", [0.5, 0.9 * 2 * 24 / float(torch.linalg.eigvalsh(K)[-1])])
def test_descent_against_steps(lr: float, method: str) -> None:
    """Steps of the outputs themselves, on and off the training points; the second rate overshoots (1 - lr l/N < 0)."""
    predictor = KernelPredictor(K, Y, START, method=method, tol=1e-10)
    f, held_out = START, TEST_START
    for step in range(41):
        if step in (0, 1, 7, 40):
            c = predictor.descent(step, lr)
            torch.testing.assert_close(predictor.train(c), f, rtol=0, atol=1e-9)
            torch.testing.assert_close(predictor.test(c, CROSS, TEST_START), held_out, rtol=0, atol=1e-9)
        f, held_out = f - lr / 24 * K @ (f - Y), held_out - lr / 24 * CROSS @ (f - Y)


def test_many_small_steps_are_the_flow() -> None:
    predictor = KernelPredictor(K, Y, START)
    gaps = [float((predictor.descent(n, 4 / n).values - predictor.flow(4).values).norm()) for n in (100, 1000)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.1)


def test_an_operator_and_a_singular_kernel() -> None:
    by_products = KernelPredictor(Product(), Y, START, tol=1e-10)
    torch.testing.assert_close(
        by_products.flow(3).values, KernelPredictor(K, Y, START).flow(3).values, atol=1e-9, rtol=0
    )
    ones = torch.ones(24, 24, dtype=torch.float64)
    flat = KernelPredictor(ones, Y)
    assert flat.flow(1.0).converged
    # exp(-t K/N) leaves all but the mean where it is, which t = inf cannot fit: the residual says so.
    torch.testing.assert_close(
        flat.train(flat.flow(1.0)), Y.mean(0).expand(24, 2) * (1 - math.exp(-1)), rtol=0, atol=1e-9
    )
    at_end = flat.flow(math.inf)
    assert not at_end.converged
    assert at_end.residual > 0.9
    torch.testing.assert_close(flat.train(at_end), Y.mean(0).expand(24, 2), rtol=0, atol=1e-9)


def test_full_kernels_couple_outputs() -> None:
    """(N, N, O, O) of a network: the flow of all its outputs at once, against the sample-major matrix."""
    torch.manual_seed(0)
    net = create_model("ccp", input_shape=(4,), output_dim=2, degree=2, width=8).double()
    x, x_test, y = torch.randn(7, 4).double(), torch.randn(3, 4).double(), torch.randn(7, 2).double()
    full, cross = ntk(net, x, outputs="full"), ntk(net, x_test, x, outputs="full")
    with torch.no_grad():
        f0, f0_test = net(x), net(x_test)
    predictor = KernelPredictor(full, y, f0)
    c = predictor.flow(0.7)
    matrix, across = full.permute(0, 2, 1, 3).reshape(14, 14), cross.permute(0, 2, 1, 3).reshape(6, 14)
    left = torch.eye(14).double() - torch.linalg.matrix_exp(-0.7 * matrix / 7)
    move = across @ torch.linalg.pinv(matrix) @ left @ (y - f0).flatten()
    torch.testing.assert_close(predictor.test(c, cross, f0_test), f0_test + move.reshape(3, 2), rtol=0, atol=1e-7)
    operator = NTKOperator(net, x, outputs="full")
    again = KernelPredictor(operator, y, f0, tol=1e-10).flow(0.7)
    torch.testing.assert_close(again.values, c.values, rtol=0, atol=1e-7)


def test_kernels_above_the_dense_limit_are_solved_by_products(monkeypatch: pytest.MonkeyPatch) -> None:
    decomposed = KernelPredictor(K, Y, START, ridge=0.1)
    monkeypatch.setattr("hpnets.kernels.predictor.DENSE_ROWS", 23)
    monkeypatch.setattr("hpnets.kernels.predictor.spectrum", None)  # calling it would fail
    predictor = KernelPredictor(K, Y, START, ridge=0.1, tol=1e-10)
    for time in (1.0, math.inf):
        torch.testing.assert_close(predictor.flow(time).values, decomposed.flow(time).values, rtol=1e-7, atol=1e-7)


@pytest.mark.slow
def test_above_8192_rows_no_decomposition_is_made() -> None:
    """10,000 points of the circle: residuals are told, and descent on a linear function of them is right."""
    angle = torch.rand(10_000, generator=G, dtype=torch.float64) * 2 * math.pi
    x = torch.stack([angle.cos(), angle.sin()], 1)
    predictor = KernelPredictor(x @ x.T, x[:, :1] + 0.0, tol=1e-8)
    flow = predictor.flow(2.0)
    assert flow.converged
    rates, axes = torch.linalg.eigh(x.T @ x / 10_000)
    weights = (
        axes @ ((1 - torch.exp(-2.0 * rates))[:, None] * axes.T) @ torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    )
    torch.testing.assert_close(predictor.train(flow), x @ weights, rtol=0, atol=1e-7)
    regression = predictor.flow(math.inf)
    assert regression.converged
    torch.testing.assert_close(predictor.train(regression), x[:, :1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": K[:20]}, r"the kernel has shape \(20, 24\)"),
        ({"kernel": K + torch.triu(torch.ones(24, 24), 1)}, "the kernel is not symmetric: pass the kernel of one set"),
        ({"kernel": K - torch.eye(24)}, "the kernel is not positive semi-definite: it has the eigenvalue -"),
        ({"kernel": K * math.nan}, "the kernel holds NaN or Inf"),
        ({"targets": Y[:5]}, r"targets has shape \(5, 2\); allowed: \(N, O\) with N or N O = 24"),
        ({"targets": Y[:, 0]}, r"targets has shape \(24,\)"),
        ({"targets": Y / 0}, "without NaN or Inf"),
        ({"start": START[:, :1]}, r"start has shape \(24, 1\); allowed: \(24, 2\)"),
        ({"ridge": -1.0}, "ridge is -1.0; allowed: a finite number >= 0"),
        ({"kernel": K.tolist()}, r"the kernel is a list; allowed: a tensor \(N, N\)"),
        ({"kernel": K.long()}, "the kernel has dtype torch.int64; allowed: float32 or float64"),
        ({"targets": Y.tolist()}, r"targets is a list; allowed: a tensor \(N, O\)"),
        ({"tol": 0.0}, "tol is 0.0; allowed: a finite number > 0"),
        ({"method": "cg"}, "method is 'cg'"),
        ({"memory": "10kB"}, "memory is .* GiB; allowed: .* an eigendecomposition of 24 rows takes, or fewer points"),
        (
            {"memory": "500B", "method": "iterative"},
            "memory is 500 bytes; allowed: 768, which two Krylov vectors",
        ),
    ],
)
def test_bad_arguments(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KernelPredictor(**{"kernel": K, "targets": Y, "start": START, **change})


def test_a_kernel_that_is_not_positive_is_seen_by_products_too() -> None:
    with pytest.raises(ValueError, match="not positive semi-definite"):
        KernelPredictor(K - torch.eye(24, dtype=torch.float64), Y, method="iterative").flow(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.flow(-1.0), "time is -1.0; allowed: >= 0 or inf"),
        (lambda p: p.flow(math.nan), "time is nan"),
        (lambda p: p.descent(-1, 0.1), "steps is -1; allowed: an integer >= 0"),
        (lambda p: p.descent(1.5, 0.1), "steps is 1.5; allowed: an integer"),
        (lambda p: p.descent(math.nan, 0.1), "steps is nan"),
        (lambda p: p.test(p.flow(1), CROSS * math.nan), "cross holds NaN or Inf"),
        (lambda p: p.test(p.flow(1), CROSS, TEST_START * math.nan), "allowed: .*without NaN or Inf"),
        (lambda p: p.descent(3, 0.0), "lr is 0.0; allowed: a finite number > 0"),
        (lambda p: p.descent(3, 1e3), r"lr is 1000.0; allowed: < \d+\.?\d*, or descent diverges"),
        (lambda p: p.test(p.flow(1), CROSS.T), r"cross has shape \(24, 6\); allowed: \(M, 24\)"),
        (lambda p: p.test(p.flow(1), torch.ones(6, 24, 2, 2)), r"cross has shape \(6, 24, 2, 2\); allowed: \(M, 24\)"),
        (lambda p: p.test(p.flow(1), CROSS, START), r"start has shape \(24, 2\); allowed: \(6, 2\)"),
    ],
)
def test_bad_calls(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(KernelPredictor(K, Y, START))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kernel", "targets"), [(-900, 0), (900, 0), (0, -900), (0, 900), (-500, 500)])
def test_kernels_and_targets_of_any_size(method: str, kernel: int, targets: int) -> None:
    """Powers of two whose squares leave float64: coefficients scale with targets / kernel, residuals not at all."""
    options = {"method": method, "tol": 1e-10}
    plain = KernelPredictor(K, Y, ridge=0.1, **options)
    k = 2.0**kernel
    scaled = KernelPredictor(K * k, Y * 2.0**targets, ridge=0.1 * k, **options)
    pairs = [(plain.flow(t), scaled.flow(t / k)) for t in (1.0, math.inf)]
    for a, b in [*pairs, (plain.descent(7, 0.5), scaled.descent(7, 0.5 / k))]:
        torch.testing.assert_close(b.values * k * 2.0**-targets, a.values, rtol=1e-8, atol=1e-12)
        assert b.converged
        assert b.residual == pytest.approx(a.residual, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_targets_that_are_met_already_and_one_output(method: str) -> None:
    predictor = KernelPredictor(K, Y, Y, method=method)
    for time in (1.0, math.inf):
        assert predictor.flow(time).converged
        assert float(predictor.flow(time).values.abs().max()) == 0
    one = KernelPredictor(K[:, :, None, None], Y[:, :1], method=method)
    c = one.flow(1.0)
    torch.testing.assert_close(one.test(c, CROSS[:, :, None, None]), one.test(c, CROSS))
