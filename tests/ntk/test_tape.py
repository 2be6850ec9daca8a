"""The tape's passes: BatchNorm as a product, and passes that torch cannot vectorise."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk import ntk, plan
from hpnets.ntk._forms import BackwardForms
from tests.ntk.oracle import dense_kernel, relative


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_as_a_product_has_its_values_and_gradients(affine: bool) -> None:
    torch.manual_seed(0)
    x, mean, var = torch.randn(4, 3, 5, 5), torch.randn(3) * 9, torch.rand(3)
    weight, bias = (torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)) if affine else (None, None)
    x.requires_grad_()
    wanted = [t for t in (x, weight, bias) if t is not None]
    y = F.batch_norm(x, mean, var, weight, bias)
    with BackwardForms(True):
        product = F.batch_norm(x, mean, var, weight, bias)
        trained = F.batch_norm(x, mean.clone(), var.clone(), weight, bias, training=True)
    assert torch.equal(product, y)
    assert "BatchNorm" not in str(product.grad_fn)
    assert "BatchNorm" in str(trained.grad_fn)
    seed = torch.randn_like(y)
    for a, b in zip(torch.autograd.grad(product, wanted, seed), torch.autograd.grad(y, wanted, seed), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5)


class _Asking(torch.autograd.Function):
    """The identity, whose backward formula asks for a value, which no vectorised pass can answer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> Any:
        return g[0] if g[0].sum().item() < 1e300 else 2 * g[0]


class Asking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _Asking.apply(x)


def test_passes_that_cannot_be_vectorised_are_made_one_by_one() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(3, 4), Asking(), nn.Tanh(), nn.Linear(4, 3)).double(), torch.randn(4, 3).double()
    made = plan(net, x, outputs="full", algorithm="structured")
    assert made.schedule.batched
    assert relative(ntk(net, x, plan=made), dense_kernel(net, x)) < 1e-10


@pytest.mark.parametrize("O", [3, 7, 11])
def test_passes_one_by_one_serve_every_output(O: int) -> None:
    """All in one group, in two and in three groups, the last of which may be smaller."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(36, O))
    net, x = net.double(), torch.randn(4, 2, 6, 6).double()
    made = plan(net, x, outputs="full", algorithm="structured")
    one_by_one = replace(made, schedule=replace(made.schedule, batched=False))
    assert relative(ntk(net, x, plan=one_by_one), dense_kernel(net, x)) < 1e-10


class Attending(nn.Module):
    """Attention between as many positions as are asked for, of a handful of scalars each."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.a, self.b, self.positions = nn.Linear(2, 2), nn.Linear(2, 10), positions

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x).unsqueeze(1) * torch.linspace(0, 1, self.positions, dtype=x.dtype)[:, None]
        return self.b((torch.softmax(h @ h.mT, 2) @ h).mean(1))


@pytest.mark.parametrize(("positions", "batched"), [(16, True), (800, False)])
def test_a_large_map_of_attention_is_passed_through_output_by_output(positions: int, batched: bool) -> None:
    made = plan(Attending(positions), torch.randn(4, 2), outputs="full", algorithm="structured")
    assert made.schedule.batched == batched


def test_a_parameter_that_comes_out_of_reach_after_a_call_is_refused() -> None:
    net, x, others = nn.Sequential(nn.Linear(3, 3)), torch.randn(4, 3), [torch.ones(3)]
    net[0].register_forward_hook(lambda module, inputs, output: output * others[0])
    ntk(net, x, outputs="full")
    others[0] = nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match="does not reach"):
        ntk(net, x, outputs="full")
