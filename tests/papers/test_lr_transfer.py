"""Parts of the study of learning-rate transfer: rates and sharpness of losses known in closed form, made-up results."""

import itertools
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hpnets.options import OptimOptions
from hpnets.papers.parts import rate_measures as measures
from hpnets.papers.parts.rate_grids import train_at_rates
from hpnets.papers.parts.rate_tables import STEP, powers_of
from hpnets.papers.parts.rated_networks import BASE, rated
from hpnets.papers.parts.sharpness_tracks import half_error, lanczos_error, track
from hpnets.study import Results
from hpnets.study.results import Result

WAY = ("mlp", "mup", "sgd")


class Line(nn.Module):
    """f = w x, w a vector that starts at (1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w.T


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_networks_at_many_rates_train_as_each_would_alone(optimizer: str) -> None:
    x, y = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4
    make, rates, seeds = lambda: nn.Linear(3, 4), [0.1, 1.0], [3, 5]
    losses = train_at_rates(make, x, y, rates, seeds, 20, 6, optimizer)
    for i, rate in enumerate(rates):
        for j, seed in enumerate(seeds):
            assert losses[i, j].item() == pytest.approx(alone(x, y, rate, seed, optimizer), rel=1e-4)


def alone(x: Tensor, y: Tensor, rate: float, seed: int, optimizer: str) -> float:
    """The mean loss of the last two of 20 steps of one network."""
    torch.manual_seed(seed)
    net, generator, losses = nn.Linear(3, 4), torch.Generator().manual_seed(seed), []
    step = (torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam)(net.parameters(), lr=rate)
    for _ in range(20):
        rows = torch.randint(len(x), (6,), generator=generator)
        step.zero_grad()
        loss = cross_entropy(net(x[rows]), y[rows])
        loss.backward()
        step.step()
        losses.append(loss.item())
    return sum(losses[-2:]) / 2


def test_a_rate_that_diverges_has_an_infinite_loss() -> None:
    x, y = 1e20 * torch.ones(4, 2), torch.arange(4) % 3
    losses = train_at_rates(lambda: nn.Linear(2, 3), x, y, [0.0, 1e30], [0, 1], 3, 4)
    assert losses[0].isfinite().all()
    assert losses[1].isinf().all()


def test_the_track_of_a_quadratic_is_its_curvature_and_its_loss_that_of_descent() -> None:
    """H = X^T X / n = diag(4, 1) / 2 at all times; at the rate 1 / 4 a step takes w_1 to w_1 / 2, w_2 to 7 / 8 w_2."""
    data = torch.diag(torch.tensor([2.0, 1.0])), torch.zeros(2, 1)
    rows = track(Line(), half_error, data, OptimOptions("sgd", 0.25, momentum=0.0), [0, 3], split=True)
    assert [row["step"] for row in rows] == [0, 3]
    for row in rows:
        t = row["step"]
        assert row["loss"] == pytest.approx((4 * 0.25**t + (7 / 8) ** (2 * t)) / 4)
        assert all(row[key] == pytest.approx(2.0, rel=1e-4) for key in ("raw", "hessian", "kernel"))
        assert (row["share"], row["residual"]) == pytest.approx((1, 0), abs=1e-4)


def test_a_track_ends_where_the_loss_does() -> None:
    data = torch.diag(torch.tensor([2.0, 1.0])), torch.zeros(2, 1)
    assert [r["step"] for r in track(Line(), half_error, data, OptimOptions("sgd", 1e15), [0, 50])] == [0]


def test_lanczos_agrees_with_the_dense_matrix() -> None:
    torch.manual_seed(0)
    assert lanczos_error(nn.Linear(3, 4), cross_entropy, (torch.randn(8, 3), torch.arange(8) % 4)) < 1e-3


def test_a_twin_has_its_nets_grid() -> None:
    powers = powers_of("ccp-2-sum", ("sgd", "mup"))
    assert powers == powers_of("ccp-2", ("sgd", "mup"))
    assert {b - a for a, b in itertools.pairwise(powers)} == {STEP}


def test_a_network_of_copied_units_trains_as_the_narrow_one_and_one_of_drawn_units_does_not() -> None:
    x, y = torch.randn(12, 1, 2, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4

    def losses(name: str, width: int) -> Tensor:
        make = partial(rated, name, "mup", width, (1, 2, 3), 4)
        return train_at_rates(make, x, y, [1.0, 4.0], [0, 1], 10, 6)

    narrow = losses("skip-4", BASE)
    assert torch.allclose(losses("skip-4-copied", 4 * BASE), narrow, rtol=1e-4)
    assert not torch.allclose(losses("skip-4", 4 * BASE), narrow, rtol=1e-1)


def results() -> Results:
    """Losses (log2 rate - best)^2 with the best at 0, 1, 2 for the sizes 8, 32, 128, and sharpness 1, 10, 100."""
    made, powers = list[Result](), [-1.0, 0.0, 1.0, 2.0, 3.0]
    named: dict[str, Any] = dict(zip(("network", "kind", "optimizer"), WAY, strict=True))
    for i, size in enumerate((128, 32, 8)):
        loss = [[(p - (2 - i)) ** 2 + 1] * 2 for p in powers]
        made.append(Result("best_rate", {**named, "size": size}, {"powers": powers, "loss": loss}))
        for seed in (0, 1):
            sharp = 10.0 ** (2 - i) if seed == 0 else 1.0
            rows = [{"step": t, "hessian": sharp * (7.0 if t == 30 else 1.0)} for t in (0, 30, 60, 90)]
            options = {**named, "size": size, "seed": seed, "times": [0, 30, 60, 90]}
            made.append(Result("tracked", options, {"rows": rows}))
    return Results(tuple(made))


def test_best_rates_of_made_up_losses() -> None:
    assert measures.best(results(), WAY) == {8: 0, 32: 1, 128: 2}
    assert (measures.span(results(), WAY), measures.rise(results(), WAY)) == (2, 2)
    assert measures.has(results(), WAY)
    assert not measures.has(results(), ("mlp", "ntk", "sgd"))


def test_a_rate_at_which_a_seed_diverged_is_never_the_best() -> None:
    options = dict(zip(("network", "kind", "optimizer", "size"), (*WAY, 8), strict=True))
    one = Result("best_rate", options, {"powers": [0.0, 1.0], "loss": [[2.0, 2.0], [0.1, math.inf]]})
    assert measures.best(Results((one,)), WAY) == {8: 0.0}


def test_consistency_of_made_up_tracks() -> None:
    """Sharpness 1, 10, 100 is 0, 1, 2 decades, of deviation 1; one sharpness for all has none; step 30 is not late."""
    assert measures.spread(results(), WAY) == pytest.approx([1, 0])
    assert measures.growth(results(), WAY) == pytest.approx(1)  # the mean of 2 and 0 decades
    assert len(measures.late(results(), WAY)) == 3 * 2 * 2


def test_a_diverged_track_has_no_consistency() -> None:
    options, rows = {"times": [0, 60, 90]}, [{"step": 0, "hessian": 1.0}, {"step": 60, "hessian": 1.0}]
    assert measures.late_of(rows, options, "hessian") == [math.inf]
    assert measures.spread_of([[1.0], [math.inf]]) == math.inf
