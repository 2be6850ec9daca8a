"""What torch draws comes out at the ends of its range."""

import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.ntk._draws import Extremes

ONES = torch.ones(50)
# Each draw with its least and its greatest value.
DRAWS: dict[str, tuple[Callable[[], Tensor], float, float]] = {
    "bernoulli": (lambda: torch.bernoulli(0.5 * ONES), 0, 1),
    "bernoulli of p": (lambda: torch.bernoulli(ONES, 0.99), 0, 1),
    "bernoulli_": (lambda: torch.empty(50).bernoulli_(), 0, 1),
    "bernoulli_ of p": (lambda: torch.empty(50).bernoulli_(1e-6), 0, 1),
    "bernoulli_ of a tensor": (lambda: torch.empty(50).bernoulli_(0.1 * ONES), 0, 1),
    "certain": (lambda: torch.empty(50).bernoulli_(1.0), 1, 1),
    "certain, by a tensor": (lambda: torch.bernoulli(0 * ONES), 0, 0),
    "rand": (lambda: torch.rand(50), 0, 1),
    "rand_like": (lambda: torch.rand_like(ONES), 0, 1),
    "uniform_": (lambda: torch.empty(50).uniform_(), 0, 1),
    "uniform_ of a range": (lambda: torch.empty(50).uniform_(-2, 3), -2, 3),
    "dropout": (lambda: F.dropout(ONES, 0.2), 0, 1.25),
    "an accelerator's dropout": (lambda: torch.native_dropout(ONES, 0.2, True)[0], 0, 1.25),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_come_out_at_both_ends(name: str) -> None:
    draw, *ends = DRAWS[name]
    for high, end in enumerate(ends):
        with Extremes(bool(high)):
            torch.testing.assert_close(draw(), torch.full((50,), float(end)))


@pytest.mark.parametrize("high", [False, True])
def test_pythons_draws_come_out_at_both_ends(high: bool) -> None:
    with Extremes(high):
        assert all(abs(random.random() - high) < 1e-15 for _ in range(100))
        sum(random.normalvariate() for _ in range(100))  # which loops until two numbers suit it


def test_draws_of_a_given_generator_are_left() -> None:
    with Extremes(high=True):
        drawn = torch.rand(50, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn, torch.rand(50, generator=torch.Generator().manual_seed(3)), rtol=0, atol=0)
