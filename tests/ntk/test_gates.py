"""Gates at their thresholds and gradients that cancel to zero, where rounding decides and nothing is wrong."""

import warnings
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk import UnprovenWarning, ntk
from hpnets.ntk._forms import mode
from hpnets.ntk._forms.batch_norm import affine_batch_norm
from tests.ntk.oracle import dense_jacobian, dense_kernel, relative


class Gated(nn.Module):
    """A gate after BatchNorm that is open from one activation of the first sample on."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.norm, self.out = nn.BatchNorm2d(3), nn.Linear(12, 2)
        self.eval()
        self.threshold = float(self.norm(x)[0].detach().amax())

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return self.out((y * (y >= self.threshold) + 0.1 * y).flatten(1))


def rounded(*args: Tensor, **kwargs: float) -> Tensor:
    """BatchNorm in a form that rounds otherwise than torch's own."""
    y = affine_batch_norm(*args, **kwargs)
    assert y is not None
    return y - y.detach() * 2e-7


def test_forms_that_open_other_gates_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof sees another gradient than autograd's, and the kernel is made in torch's own functions."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, 2, 2)
    net = Gated(x)
    right = dense_kernel(net, x)
    monkeypatch.setitem(mode._NOT_TO_LEAVES, F.batch_norm, rounded)
    assert relative(ntk(net, x, outputs="full", verify="off"), right) > 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        assert relative(ntk(net, x, outputs="full"), right) < 1e-5


class Rounding(nn.Module):
    """Gates that are open but for rounding, which the number of samples changes."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        other = x.mul(1 + 0.1 * len(x)).div(1 + 0.1 * len(x))
        return self.out(x * (other - x + 1e-9 > 0))


@pytest.mark.parametrize("algorithm", ["auto", "loop"])
def test_gates_that_another_company_opens_couple_no_samples(algorithm: Literal["auto", "loop"]) -> None:
    """Plain autograd in some company is right: that it rounds otherwise in other company was refused."""
    torch.manual_seed(0)
    net, x = Rounding(), torch.randn(12, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnprovenWarning)
        kernel = ntk(net, x, outputs="full", algorithm=algorithm)
    pairs, together = torch.cat([dense_jacobian(net, x[i : i + 2]) for i in range(0, 12, 2)]), dense_jacobian(net, x)
    assert relative(pairs, together) > 0.1
    J = pairs if algorithm == "loop" else together
    assert relative(kernel, torch.einsum("aop,bqp->aboq", J, J)) < 1e-5


class Table(nn.Module):
    """Attention whose logits a layer makes of a table of pairs of positions, the same for all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.value, self.out = nn.Linear(3, 1), nn.Linear(5, 6), nn.Linear(24, 2)
        self.register_buffer("pairs", torch.randn(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        weights = self.table(self.pairs).view(4, 4).softmax(-1)
        return self.out((weights @ self.value(x)).flatten(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_of_noise_does_not_trust_a_rule_that_its_layer_shows_wrong(dtype: torch.dtype) -> None:
    """The bias changes nothing of 2 queries, which half of the table is, but of half a query, which an eighth is."""
    torch.manual_seed(0)
    net, x = Table().to(dtype), torch.randn(8, 4, 5, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        kernel = ntk(net, x, outputs="full", algorithm="structured")
    assert relative(kernel, dense_kernel(net.double(), x.double())) < {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
