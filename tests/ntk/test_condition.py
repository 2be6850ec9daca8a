"""Outputs and gradients that rounding decides: they are told from those that other samples change."""

import copy
import warnings
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, UnprovenWarning, ntk, ntk_blocks
from tests.ntk.oracle import dense_kernel, relative

DTYPES = [torch.float32, torch.float64]
ALGORITHMS = ["auto", "structured", "jacobian", "loop", "ntkvp"]


def rounded_by_company(x: Tensor) -> Tensor:
    """The samples, each number larger by as many units of rounding as there are samples."""
    return x * (1 + len(x) * torch.finfo(x.dtype).eps)


class Circle(nn.Module):
    """The mean of the differences between neighbours on a circle: 0 but for rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.Linear(4, 7), nn.Linear(1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(rounded_by_company(x))
        return self.out((h - h.roll(1, 1)).mean(1, keepdim=True))


class Chaos(nn.Module):
    """The logistic map, 60 times, in which differences grow by 1.9 each time."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(rounded_by_company(x)).sigmoid()
        for _ in range(60):
            h = 3.99 * h * (1 - h)
        return self.out(h)


class Centred(nn.Module):
    """A network minus its frozen copy: 0 but for rounding, unlike its gradient."""

    def __init__(self, coupling: float) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
        self.frozen, self.coupling = copy.deepcopy(self.net).requires_grad_(False), coupling

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) - self.frozen(rounded_by_company(x)) + self.coupling * x.mean()


class NormalisedMean(nn.Module):
    """The mean of small numbers, centred and scaled to length 1: 0 but for rounding by the layer, not by the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 6, bias=False), nn.LayerNorm(6, eps=1e-12)
        self.out = nn.Linear(1, 2)
        with torch.no_grad():
            self.layer.weight /= 1e3

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.layer(rounded_by_company(x))).mean(1, keepdim=True))


@pytest.mark.filterwarnings("ignore::hpnets.ntk.UnprovenWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [Circle, Chaos])
def test_a_kernel_of_rounding_is_refused_as_such(kind: type[nn.Module], algorithm: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = kind().to(dtype), torch.randn(8, 4, dtype=dtype)
    with pytest.raises(ValueError, match="is rounding noise at these samples"):
        ntk(net, x, outputs="full", algorithm=algorithm)


@pytest.mark.parametrize("kind", [Circle, Chaos])
def test_products_with_rounding_are_refused_as_such(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net, x = kind(), torch.randn(8, 4)
    with pytest.raises(ValueError, match="is rounding noise at these samples"):
        NTKOperator(net, x, outputs="full").matvec(torch.randn(16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [partial(Centred, 0), NormalisedMean])
def test_what_cancels_in_part_has_a_kernel(kind: Callable[[], nn.Module], algorithm: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = kind().to(dtype), torch.randn(8, 4, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        kernel = ntk(net, x, outputs="full", algorithm=algorithm)
    assert relative(kernel, dense_kernel(net.double(), x.double())) < {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_block_of_rounding_is_refused_beside_blocks_that_have_kernels(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = NormalisedMean().to(dtype), torch.randn(8, 4, dtype=dtype)
    with pytest.raises(ValueError, match=r"gradient of layer\.weight is rounding noise"):
        ntk_blocks(net, x, outputs="full")
    assert ntk_blocks(net, x, outputs="full", blocks=["norm", "out"]).keys() == {"norm", "out"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_that_cancel_may_not_depend_on_other_samples(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = Centred(1e-6).to(dtype), torch.randn(8, 4, dtype=dtype)
    with pytest.raises(ValueError, match="couples samples"):
        ntk(net, x, outputs="full")
