"""Eigenfeatures and kernel machines against explicit sums, the predictor and the kernels themselves."""

import math

import pytest
import torch

from hpnets.kernels import KernelMachine, KernelPredictor, eigenfeatures, tangent_machine, usefulness
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel

G = torch.Generator().manual_seed(0)
X, Z = (torch.randn(n, 5, generator=G, dtype=torch.float64) for n in (20, 7))
Y = torch.randn(20, 2, generator=G, dtype=torch.float64)
NET = create_model("mlp", input_shape=(5,), output_dim=1, width=8, depth=2)


def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return limit_kernel(NET, a, b).ntk


def test_features_sum_to_the_machine_and_each_is_its_formula() -> None:
    K = kernel(X, X)
    of = eigenfeatures(K, Y)
    machine = KernelMachine(kernel, X, KernelPredictor(K, Y).flow(math.inf).values)
    parts = torch.stack([KernelMachine(kernel, X, of.coefficients([i]))(Z) for i in range(20)])
    condition = float(of.eigenvalues[0] / of.eigenvalues[-1])
    size = float(machine(Z).abs().max())
    torch.testing.assert_close(parts.sum(0), machine(Z), rtol=0, atol=1e-12 * condition * size)
    torch.testing.assert_close(KernelMachine(kernel, X, of.coefficients())(Z), parts.sum(0))
    l, v = torch.linalg.eigh(K)
    third = kernel(Z, X) @ v[:, -3:-2] @ (v[:, -3:-2].T @ Y) / l[-3]
    torch.testing.assert_close(parts[2], third)
    # On its own points a feature is the projection of the targets.
    own = KernelMachine(kernel, X, of.coefficients([2]))(X)
    torch.testing.assert_close(own, v[:, -3:-2] @ (v[:, -3:-2].T @ Y))


def test_features_beyond_the_rank_are_zero() -> None:
    A = torch.randn(20, 4, generator=G, dtype=torch.float64)
    of = eigenfeatures(A @ A.T, Y)
    assert of.rank == 4
    assert not of.coefficients(range(4, 20)).any()
    torch.testing.assert_close(of.coefficients(range(20)), torch.linalg.pinv(A @ A.T, hermitian=True) @ Y)


@pytest.mark.parametrize("name", ["mlp", "ccp", "cnn"])
def test_a_tangent_machine_is_that_of_the_networks_kernel(name: str) -> None:
    shape = (1, 8, 8) if name == "cnn" else (5,)
    torch.manual_seed(0)
    net = create_model(name, input_shape=shape, output_dim=2).double().eval()
    x, z = (torch.randn(n, *shape, dtype=torch.float64, generator=G) for n in (9, 4))
    c = torch.randn(9, 2, dtype=torch.float64, generator=G)
    before = {key: p.clone() for key, p in net.state_dict().items()}
    machine = tangent_machine(net, x, c, batch_size=4)
    torch.testing.assert_close(machine(z), torch.einsum("mnop,np->mo", ntk(net, z, x, outputs="full"), c))
    assert all(torch.equal(p, before[key]) for key, p in net.state_dict().items())


def test_usefulness_in_numbers() -> None:
    y = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    assert usefulness(2 * y, y) == (1.0, 1.0)
    assert usefulness(torch.ones(4, 1), y) == (0.5, 0.0)  # it always says one class
    f = torch.tensor([[3.0], [-1.0], [-1.0], [-1.0]])
    assert usefulness(f, y) == (0.75, pytest.approx(1 / math.sqrt(3)))
    assert usefulness(torch.zeros(4, 1), y) == (0.0, 0.0)
    one_hot = torch.eye(3)
    assert usefulness(torch.tensor([[5.0, 1, 1], [3, 2, 1], [0, 0, 1]]), one_hot).accuracy == pytest.approx(2 / 3)


def test_what_does_not_fit_is_refused() -> None:
    for call, message in (
        (
            lambda: eigenfeatures(torch.eye(4).view(2, 2, 2, 2), torch.ones(2, 2)),
            r"kernel has shape .*allowed: \(N, N\)",
        ),
        (lambda: eigenfeatures(torch.eye(4), torch.ones(2, 2)), r"targets has shape \(2, 2\); allowed: \(4, O\)"),
        (lambda: eigenfeatures(torch.eye(4), torch.ones(4, 1)).coefficients([4]), "ranks is .*; allowed: 0 to 3"),
        (lambda: KernelMachine(kernel, X, Y[:3]), r"coefficients has shape \(3, 2\); allowed: \(20, O\)"),
        (lambda: tangent_machine(NET.double(), X, Y), r"coefficients has shape \(20, 2\); allowed: \(20, 1\)"),
        (lambda: usefulness(Y, Y[:, :1]), r"targets has shape \(20, 1\); allowed: \(20, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
