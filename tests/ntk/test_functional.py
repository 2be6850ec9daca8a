"""Calling a network with other parameters in place leaves the network itself as it was."""

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, linearize, ntk


class Shared(nn.Module):
    """One module under two names, and one parameter under two names of one module."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = self.a
        self.c = nn.Linear(4, 2)
        self.c.alias = self.c.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x))))) + x @ self.c.alias.T


@pytest.mark.parametrize("algorithm", ["structured", "jacobian", "ntkvp", "operator", "linearize"])
def test_a_module_under_two_names_keeps_its_parameters(algorithm: str) -> None:
    net, x = Shared().double(), torch.randn(5, 4).double()
    before = [(name, id(p)) for name, p in net.named_parameters(remove_duplicate=False)]
    if algorithm == "operator":
        NTKOperator(net, x, outputs="full").matvec(torch.ones(10).double())
    elif algorithm == "linearize":
        linearize(net)(x)
    else:
        ntk(net, x, outputs="full", algorithm=algorithm)
    assert [(name, id(p)) for name, p in net.named_parameters(remove_duplicate=False)] == before


@pytest.mark.parametrize("algorithm", ["structured", "jacobian", "ntkvp"])
def test_shared_parameters_are_counted_at_each_place(algorithm: str) -> None:
    net, x = Shared().double(), torch.randn(5, 4).double()
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(net(x)[i, o], list(net.parameters()))])
        for i in range(5)
        for o in range(2)
    ]
    dense = torch.stack(rows) @ torch.stack(rows).T
    measured = ntk(net, x, outputs="full", algorithm=algorithm).permute(0, 2, 1, 3).reshape(10, 10)
    torch.testing.assert_close(measured, dense, rtol=1e-10, atol=1e-10 * float(dense.abs().max()))


@pytest.mark.parametrize("algorithm", ["structured", "jacobian", "ntkvp"])
def test_a_parameter_without_axes(algorithm: str) -> None:
    class Scaled(nn.Module):
        """One scalar, the gain."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.gain = nn.Linear(4, 2), nn.Parameter(torch.tensor(0.5))

        def forward(self, x: Tensor) -> Tensor:
            return self.gain * self.a(x)

    net, x = Scaled().double(), torch.randn(3, 4).double()
    a = net.a(x)
    linear = 0.25 * (x @ x.T + 1)[:, :, None, None] * torch.eye(2)
    expected = linear + a[:, None, :, None] * a[None, :, None, :]
    torch.testing.assert_close(ntk(net, x, outputs="full", algorithm=algorithm), expected.detach())
