"""Networks that compute a part of their forward pass in a narrower type than their parameters have."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, ntk
from tests.ntk.oracle import dense_kernel, relative

X = torch.randn(5, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class NarrowSoftmax(nn.Module):
    """Attention that takes its softmax in another type, as language models do.

    The gradient of the keys' bias is 0, so what autograd gives for it is the rounding of that type.
    """

    def __init__(self, inside: torch.dtype) -> None:
        super().__init__()
        self.qkv, self.out, self.inside = nn.Linear(8, 24), nn.Linear(8, 3), inside

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv.weight.chunk(3)
        bq, bk, bv = self.qkv.bias.chunk(3)
        scores = (x @ q.T + bq) @ (x @ k.T + bk).transpose(1, 2)
        return self.out((scores.to(self.inside).softmax(-1).to(x.dtype) @ (x @ v.T + bv)).mean(1))


class NarrowKeys(NarrowSoftmax):
    """The same with a layer of its own for the keys."""

    def __init__(self, inside: torch.dtype) -> None:
        super().__init__(inside)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2)
        return self.out((scores.to(self.inside).softmax(-1).to(x.dtype) @ self.v(x)).mean(1))


@pytest.mark.parametrize("algorithm", ["auto", "structured", "jacobian", "loop", "ntkvp"])
@pytest.mark.parametrize("make", [NarrowSoftmax, NarrowKeys])
def test_a_float64_net_with_a_softmax_in_float32(make: type[NarrowSoftmax], algorithm: str) -> None:
    torch.manual_seed(0)
    net = make(torch.float32).double()
    exact = 1e-5 if algorithm == "ntkvp" else 1e-10  # the forward mode rounds otherwise
    assert relative(ntk(net, X, outputs="full", algorithm=algorithm), dense_kernel(net, X)) < exact


CALLS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "auto": lambda net, x: ntk(net, x, outputs="full"),
    "loop": lambda net, x: ntk(net, x, outputs="trace", algorithm="loop"),
    "ntkvp": lambda net, x: ntk(net, x, outputs="full", algorithm="ntkvp"),
    "operator": lambda net, x: NTKOperator(net, x, outputs="full"),
    "auto in float32": lambda net, x: ntk(net.float(), x.float(), outputs="full"),
}


@pytest.mark.parametrize("name", CALLS)
def test_half_precision_inside_is_what_the_refusal_names(name: str) -> None:
    torch.manual_seed(0)
    net = NarrowKeys(torch.bfloat16).double()
    with pytest.raises(ValueError, match=r"computes in torch.bfloat16 inside.*verify='off'"):
        CALLS[name](net, X)
    net = net.double()
    assert relative(ntk(net, X, outputs="full", verify="off"), dense_kernel(net, X)) < 1e-10
