"""A network's random numbers: a draw of any generator shows, and comes out at the ends of its range if asked."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._draws import Extremes
from hpnets.ntk._rngs import Rngs

CPU = torch.device("cpu")
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
    "randint": (lambda: torch.randint(7, (50,)).float(), 0, 6),
    "randint of a range": (lambda: torch.randint(-2, 7, (50,)).float(), -2, 6),
    "randint_like": (lambda: torch.randint_like(ONES, 7), 0, 6),
    "randint_like of a range": (lambda: torch.randint_like(ONES, -2, 7), -2, 6),
    "random_": (lambda: torch.empty(50).random_(7), 0, 6),
    "random_ of a range": (lambda: torch.empty(50).random_(-2, 7), -2, 6),
    "dropout": (lambda: F.dropout(ONES, 0.2), 0, 1.25),
    "an accelerator's dropout": (lambda: torch.native_dropout(ONES, 0.2, True)[0], 0, 1.25),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_come_out_at_both_ends(name: str) -> None:
    draw, *ends = DRAWS[name]
    for high, end in enumerate(ends):
        with Extremes(bool(high)):
            torch.testing.assert_close(draw(), torch.full((50,), float(end)))


class Holder(nn.Module):
    """Holds a generator of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.torchs = torch.Generator()
        self.pythons = random.Random(0)
        self.numpys = np.random.default_rng(0)
        self.older = np.random.RandomState(0)

    def draws(self) -> dict[str, Callable[[], float]]:
        """One number of each generator, and of those that the modules have."""
        return {
            "torch's": lambda: float(torch.rand((), generator=self.torchs)),
            "Python's": self.pythons.random,
            "numpy's": self.numpys.random,
            "numpy's older": self.older.rand,
            "torch": lambda: float(torch.rand(())),
            "random": random.random,
            "numpy.random": np.random.rand,
        }


@pytest.mark.parametrize("high", [False, True])
def test_pythons_and_numpys_draws_come_out_at_both_ends(high: bool) -> None:
    holder, normals = Holder(), (random.normalvariate, np.random.standard_normal)
    rngs = Rngs([holder], CPU)
    with rngs.kept(), rngs.at_an_end(high):
        drawn = {name: draw() for name, draw in holder.draws().items() if "torch" not in name}
        assert all(abs(number - high) < 1e-7 for number in drawn.values()), drawn
        for normal in normals:  # loops until numbers suit it
            assert np.isfinite(sum(normal() for _ in range(100)))


@pytest.mark.parametrize("name", Holder().draws())
def test_a_draw_of_any_generator_shows(name: str) -> None:
    holder = Holder()
    rngs = Rngs([nn.Linear(2, 2), holder], CPU)
    with rngs.kept():
        before = rngs.state()
        assert rngs.state() == before
        with rngs.kept():
            first = holder.draws()[name]()
            assert rngs.state() != before
        assert rngs.state() == before
        assert holder.draws()[name]() == first
        rngs.seed(12345)
        seeded = holder.draws()[name]()
        rngs.seed(12345)
        assert holder.draws()[name]() == seeded != first


def test_draws_of_a_given_generator_are_left() -> None:
    with Extremes(high=True):
        drawn = torch.rand(50, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn, torch.rand(50, generator=torch.Generator().manual_seed(3)), rtol=0, atol=0)
