"""The hierarchy's kernel against derivative tensors made one by one, a general solver, and training itself."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from scipy.linalg import solve_sylvester
from torch import Tensor, nn
from torch.func import functional_call, jacfwd, jacrev

from hpnets.kernels import nth_kernel
from hpnets.models import create_model
from hpnets.ntk import ntk

G = torch.Generator().manual_seed(0)
X, OTHER = (torch.randn(n, 3, generator=G, dtype=torch.float64) for n in (5, 2))
LABELS = torch.tensor([0, 1, 1, 0, 1])
Y = 2.0 * LABELS.double() - 1


def drawn(seed: int, model: str = "mlp", width: int = 3, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    own = {"mlp": {"depth": 2, "activation": "tanh"}, "ccp": {"degree": 3}}[model]
    return create_model(model, input_shape=(3,), output_dim=1, width=width, **(own | options)).double().eval()


def tensors(net: nn.Module, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """K (n, n), K3 (n, n, N) and K4 (n, n, N, N), all by repeated differentiation of whole tensors, N = 5."""
    names, shapes = zip(*((name, p.shape) for name, p in net.named_parameters()), strict=True)
    sizes = [shape.numel() for shape in shapes]
    theta = torch.cat([p.detach().flatten() for p in net.parameters()])

    def f(flat: Tensor) -> Tensor:
        params = {n: part.view(s) for n, part, s in zip(names, flat.split(sizes), shapes, strict=True)}
        return functional_call(net, params, (points,))[:, 0]

    J = jacrev(f)

    def K3(flat: Tensor) -> Tensor:
        return jacfwd(lambda t: J(t) @ J(t).T)(flat) @ J(flat)[:5].T

    return J(theta) @ J(theta).T, K3(theta), jacfwd(K3)(theta) @ J(theta)[:5].T


def by_definition(nets: Sequence[nn.Module], points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """K, K3 a, and a^T K4 a - y^T Q y with H Q + Q H = K4 H^-1 solved for each pair of points."""
    K, K3, K4 = (torch.stack(part).mean(0) for part in zip(*(tensors(net, points) for net in nets), strict=True))
    H = K[:5, :5]
    a, inverse, fourth = torch.linalg.solve(H, Y), torch.linalg.inv(H), torch.empty_like(K)
    for i in range(len(points)):
        for j in range(len(points)):
            Q = torch.from_numpy(solve_sylvester(H.numpy(), H.numpy(), (K4[i, j] @ inverse).numpy()))
            fourth[i, j] = a @ K4[i, j] @ a - Y @ Q @ Y
    return K, K3 @ a, fourth


@pytest.mark.filterwarnings("ignore:the second derivative of the kernel")
@pytest.mark.parametrize("model", ["mlp", "ccp"])
def test_against_derivative_tensors(model: str) -> None:
    nets = [drawn(seed, model) for seed in (0, 1)]
    made = nth_kernel(nets, X, LABELS, OTHER)
    K, third, fourth = by_definition(nets, torch.cat([X, OTHER]))
    torch.testing.assert_close(made.start, K)
    # The third-order part is of each network with a of the mean kernel, which is linear in K3.
    torch.testing.assert_close(made.third, third)
    torch.testing.assert_close(made.fourth, fourth)
    torch.testing.assert_close(made.kernel, K + fourth)


def trained_change(net: nn.Module, start: Tensor) -> Tensor:
    """K at the end of descent in steps of 1/(4 l_max), less K at its start."""
    with torch.no_grad():
        f_0 = net(X)
    optimizer, loss = torch.optim.SGD(net.parameters(), 0.25 / float(torch.linalg.eigvalsh(start)[-1])), torch.ones(())
    while loss > 1e-5:
        loss = (net(X) - f_0 - Y[:, None]).square().sum() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ntk(net, X, outputs="trace") - start


def test_it_is_where_training_goes_the_nearer_the_wider() -> None:
    errors = []
    for width in (64, 256):
        net = drawn(0, width=width)
        made = nth_kernel([net], X, LABELS)
        moved = trained_change(net, made.start)
        errors.append(float((made.third + made.fourth - moved).norm() / moved.norm()))
    assert errors[1] < 0.25
    assert errors[1] < errors[0] / 2


def test_kinks_are_told() -> None:
    with pytest.warns(UserWarning, match="the network has kinks"):
        assert nth_kernel([drawn(0, width=200, activation="relu")], X, LABELS).disagreement > 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nth_kernel([drawn(0, width=200)], X, LABELS).disagreement < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda net: nth_kernel([net], X, Y),
            r"labels is torch.float64 of shape \(5,\); allowed: a tensor of integers",
        ),
        (lambda net: nth_kernel([net], X, torch.arange(5)), "labels has 5 classes; allowed: exactly 2"),
        (lambda net: nth_kernel([net], X[[0, 0, 1, 2, 3]], LABELS), "5 points is singular: its least eigenvalue"),
        (lambda net: nth_kernel([], X, LABELS), "nets is empty"),
        (lambda net: nth_kernel([net], X.float(), LABELS), "x is torch.float32; allowed: float64"),
        (lambda net: nth_kernel([net.float()], X, LABELS), "parameters are torch.float32; allowed: float64"),
        (lambda net: nth_kernel([net], X, LABELS, memory="1KiB"), "memory is .* allowed: .* GiB, which the gradients"),
        (lambda net: nth_kernel([nn.Linear(3, 2).double()], X, LABELS), "a network has 2 outputs; allowed: 1"),
        (lambda net: nth_kernel([nn.Sequential(net, nn.Dropout())], X, LABELS), "is in train mode; allowed: eval"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[nn.Module], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(drawn(0))
