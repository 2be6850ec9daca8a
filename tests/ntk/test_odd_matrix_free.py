"""The matrix-free kernel of every odd module: products, the diagonal and the sketch, against the oracle."""

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, sketch
from tests.device import DEVICE
from tests.ntk.odd_truth import EXACT, REFUSED, inputs, jacobian, kernel, refusal_allowed
from tests.ntk.oracle import as_matrix, relative, select
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import FIRST, ODD_MODULES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


class LinearInParameters(nn.Module):
    """f_i = J_i theta for the i-th unit vector, of parameters in a net's shapes, layout and order: its kernel too.

    A sketch of it draws the tangents that a sketch of the net draws, so that the two agree to rounding.
    """

    def __init__(self, net: nn.Module, J: Tensor) -> None:
        super().__init__()
        self.theta = nn.ParameterList(torch.zeros_like(p) for p in net.parameters() if p.requires_grad)
        self.J = J

    def forward(self, x: Tensor) -> Tensor:
        theta = torch.cat([p.flatten() for p in self.theta])
        return torch.einsum("ni,iop,p->no", x, self.J, theta)


def product_faults(name: str) -> dict[str, float]:
    """Relative errors of products and of a diagonal above 1e-10; ValueError as NTKOperator raises it.

    The diagonal is of one selection, for the next module of the other.
    """
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    kernel(name)  # which may draw
    before, faults = snapshot(net), {}
    diagonal = ("full", "trace")[EXACT.index(name) % 2]
    for outputs in ("full", "trace"):
        truth = as_matrix(select(kernel(name), outputs))
        operator = NTKOperator(net, x, outputs=outputs)
        v = torch.randn(len(truth), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).to(DEVICE)
        faults[f"{outputs} product"] = relative(operator.matmat(v), truth @ v)
        if outputs == diagonal:
            faults[f"{outputs} diagonal"] = relative(operator.diagonal(), truth.diagonal())
    faults["state"] = 0.0 if same(before, snapshot(net)) else float("inf")
    return {key: error for key, error in faults.items() if not error <= 1e-10}


def sketch_error(name: str) -> float:
    """Of a sketch by three tangents, to that of the net that is linear in its parameters."""
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    before = snapshot(net)
    result = sketch(net, x, outputs="full", samples=3, seed=0).kernel
    assert same(before, snapshot(net))
    linear = LinearInParameters(net, jacobian(name)[:FIRST])
    rows = torch.eye(FIRST, dtype=torch.float64, device=x.device)
    return relative(result, sketch(linear, rows, outputs="full", samples=3, seed=0).kernel)


@pytest.mark.parametrize("name", EXACT)
def test_products_and_diagonal_equal_the_oracle(name: str) -> None:
    with refusal_allowed(name, "operator"):
        assert not product_faults(name)


@pytest.mark.parametrize("name", EXACT)
def test_sketch_is_of_the_oracles_jacobian(name: str) -> None:
    with refusal_allowed(name, "operator"):
        assert sketch_error(name) < 1e-10


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_kernel_is_refused(name: str) -> None:
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    with pytest.raises(ValueError, match=ODD_MODULES[name].refused):
        NTKOperator(net, x, outputs="full").matvec(torch.ones(FIRST * 3, dtype=torch.float64, device=x.device))
    with pytest.raises(ValueError, match=ODD_MODULES[name].refused):
        sketch(net, x, outputs="trace", samples=2, seed=0)
