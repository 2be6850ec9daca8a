"""PNN: homogeneity, variance, degree, and its kernel against the exact formula and the infinite-width one."""

import math

import pytest
import torch
from torch import Tensor

from hpnets.models import create_model
from hpnets.ntk import ntk
from tests.models.nets import samples, small

NAMES = ["pnn", "pnn_skip"]


def sphere(n: int, d: int) -> Tensor:
    x = samples(n, (d,), torch.float64)
    return x / x.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_with_relu_the_product_is_homogeneous_of_its_degree(degree: int) -> None:
    net, x = small("pnn", degree=degree, width=32).double(), samples(dtype=torch.float64)
    for t in (0.5, 3.0):
        torch.testing.assert_close(net(t * x), t**degree * net(x), rtol=1e-12, atol=0)
    assert not torch.allclose(net(-x), (-1) ** degree * net(x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_output_variance_at_unit_norm(name: str, degree: int) -> None:
    """2^(1-N) or 2.298^(N-1), over 5 seeds of 256 outputs, which share the hidden features of a seed."""
    expected = 2.0 ** (1 - degree) if name == "pnn" else (1.5 + 2 / math.sqrt(2 * math.pi)) ** (degree - 1)
    torch.manual_seed(0)
    options = {"input_shape": (5,), "output_dim": 256, "degree": degree, "width": 8192}
    values = torch.cat([create_model(name, **options)(sphere(1, 5).float()).detach() for _ in range(5)])
    assert float(values.square().mean()) == pytest.approx(expected, rel=0.2)


def test_scaled_inputs_of_unit_mean_square_are_on_the_sphere() -> None:
    net, scaled = small("pnn", degree=3), small("pnn", degree=3, scale_inputs=True)
    torch.testing.assert_close(scaled(samples()), net(samples() / 8), rtol=1e-5, atol=0)


def factors(net: torch.nn.Module, x: Tensor, skip: bool) -> tuple[Tensor, Tensor]:
    """s_n(x) or, after the first with skip, 1 + s_n(x); and the derivative s'_n(x); both (N, batch, m), for ReLU."""
    u = torch.stack([x @ W_n.weight.T for W_n in net.W])
    s = u.relu()
    if skip:
        s[1:] += 1
    return s, (u > 0).double()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degree", [1, 3, 4])
def test_finite_width_kernel_is_the_exact_formula(name: str, degree: int) -> None:
    net, x, m = small(name, degree=degree, width=16, output_dim=2).double(), samples(5, dtype=torch.float64), 16
    s, ds = factors(net, x.flatten(1), name == "pnn_skip")
    y, v, gram = s.prod(0), net.v.weight, x.flatten(1) @ x.flatten(1).T
    expected = torch.einsum("ir,jr,op->ijop", y, y, torch.eye(2).double())
    for n in range(degree):
        others = torch.cat([s[:n], s[n + 1 :]]).prod(0) * ds[n]
        expected += torch.einsum("ij,or,pr,ir,jr->ijop", gram, v, v, others, others)
    torch.testing.assert_close(ntk(net, x, outputs="full"), 2 / m * expected.detach(), rtol=1e-10, atol=1e-10)


def limit_kernel(x: Tensor, degree: int, skip: bool) -> Tensor:
    """The closed form for ReLU without biases, x (n, d)."""
    norm, N = x.norm(dim=1), degree
    gram, scale = x @ x.T, norm[:, None] * norm[None, :]
    theta = torch.arccos((gram / scale).clamp(-1, 1))
    k0, k1 = (math.pi - theta) / (2 * math.pi), scale * (theta.sin() + (math.pi - theta) * theta.cos()) / (2 * math.pi)
    if not skip:
        return 2 * (k1**N + N * gram * k0 * k1 ** (N - 1))
    Q = 1 + (norm[:, None] + norm[None, :]) / math.sqrt(2 * math.pi) + k1
    return 2 * (k1 * Q ** (N - 1) + gram * k0 * Q ** (N - 1) + (N - 1) * k1 * gram * k0 * Q ** (N - 2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_wide_kernel_is_near_the_closed_form(name: str, degree: int) -> None:
    """Width 16384, mean over 8 seeds of 4 outputs: within .05 of the largest entry; of 32 seeds, within .01."""
    torch.manual_seed(0)
    x = sphere(4, 4) * torch.tensor([[1.0], [1.0], [0.8], [1.2]], dtype=torch.float64)
    options = {"input_shape": (4,), "output_dim": 4, "degree": degree, "width": 16384}
    kernels = [ntk(create_model(name, **options).double(), x, outputs="full") for _ in range(8)]
    expected = limit_kernel(x, degree, name == "pnn_skip")
    error = (torch.stack(kernels).diagonal(dim1=-2, dim2=-1).mean((0, -1)) - expected).abs().max() / expected.max()
    assert error < 0.05
    assert (expected - limit_kernel(x, degree + 1, name == "pnn_skip")).abs().max() / expected.max() > 0.1
