"""The witness of Im <z, z'> on kernels that are known, and what it refuses."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hpnets.ntk.metrics import complexity_witness


def kernel_of(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A kernel that is `function` of c = <z, z'> / d."""

    def kernel(x: Tensor) -> Tensor:
        assert x.dtype == torch.float64
        z = torch.complex(*x.chunk(2, dim=1))
        return function(z @ z.mH / z.shape[1])

    return kernel


def scaled_square(scale: float, c: Tensor) -> Tensor:
    return scale * c.abs() ** 2


def test_the_values_are_the_kernels_at_the_stated_inner_products() -> None:
    s = (-0.2, 0.0, 0.7)
    for dim in (2, 5):
        for real in (0.3, -0.5):
            parts = {"dim": dim, "real": real, "imaginary": s}
            witness = complexity_witness(kernel_of(lambda c: c.imag + 2 * torch.eye(4)), **parts)
            assert witness.imaginary == s
            assert witness.values == pytest.approx([value / 2 for value in s])
            assert witness.spread == pytest.approx(0.45)
            square = complexity_witness(kernel_of(lambda c: (c**2).real), **parts)
            assert square.values == pytest.approx([real**2 - value**2 for value in s])


def test_a_kernel_of_the_real_part_is_blind_and_scale_does_not_count() -> None:
    blind = complexity_witness(kernel_of(lambda c: torch.exp(c.real)), 3)
    assert blind.spread < 1e-12
    assert blind.values == pytest.approx([math.exp(0.3 - 1)] * 3)
    for scale in (1.0, 1e6):
        assert complexity_witness(kernel_of(partial(scaled_square, scale)), 3).spread == pytest.approx(0.64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 1}, "dim is 1; allowed: >= 2"),
        ({"imaginary": (0.4, 0.4)}, r"imaginary is \(0.4, 0.4\); allowed: at least two different numbers"),
        ({"real": 0.7, "imaginary": (0, 0.8)}, r"real\^2 \+ imaginary\^2 is 1.1.*; allowed: at most 1"),
        ({"real": math.nan}, r"real\^2 \+ imaginary\^2 is nan"),
        ({"kernel": lambda x: x}, r"the kernel's shape is \(3, 4\); allowed: \(3, 3\)"),
        ({"kernel": lambda x: 0 * x @ x.T}, "the kernel's least diagonal entry is 0.0; allowed: above 0"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    call = {"kernel": kernel_of(torch.real), "dim": 2, "imaginary": (0.0, 0.4)} | options
    with pytest.raises(ValueError, match=message):
        complexity_witness(**call)
