"""Schedules: against torch's own, step by step, and how they are registered, warmed up and checked."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from hpnets.options import OptimOptions
from hpnets.schedules import SCHEDULES, Settings, check_total, needs_total, rate_factor, register_schedule

TOTAL = 40
THEIRS: dict[str, Callable[[Optimizer], LRScheduler]] = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, 1.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=0.05),
    "linear": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, TOTAL),
    "step": lambda o: lr_scheduler.MultiStepLR(o, [10, 30], 0.3),
    "wsd": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.LinearLR(o, 1.0, 0.1, 10)], [30]
    ),
}


def settings(**changes: object) -> OptimOptions:
    return OptimOptions("sgd", **{"lr": 0.5, "final": 0.1, "milestones": [0.25, 0.75], "gamma": 0.3, **changes})


def rates(make: Callable[[Optimizer], LRScheduler], steps: int) -> list[float]:
    """The rate of each step, as an optimiser of rate 0.5 is given it."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.5)
    scheduler, taken = make(optimizer), []
    for _ in range(steps):
        taken.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return taken


def test_every_schedule_is_compared() -> None:
    assert set(THEIRS) == set(SCHEDULES.names())


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.filterwarnings("ignore:.*epoch parameter in .scheduler.step:UserWarning")
def test_rates_are_those_of_torch(name: str) -> None:
    o = settings(schedule=name, cooldown=0.25)
    own = [0.5 * rate_factor(o, step, TOTAL) for step in range(TOTAL)]
    assert own == pytest.approx(rates(THEIRS[name], TOTAL), rel=1e-6)
    assert rate_factor(o, TOTAL, TOTAL) == pytest.approx({"constant": 1, "step": 0.09}.get(name, 0.1))


def test_a_warmup_grows_to_the_rate_and_the_schedule_has_the_rest() -> None:
    """In steps, or as a fraction of the run."""
    plain = settings(schedule="cosine")
    for warmup in (8, 0.2):
        o = settings(schedule="cosine", warmup=warmup)
        assert [rate_factor(o, step, TOTAL) for step in range(8)] == [(step + 1) / 8 for step in range(8)]
        rest = [rate_factor(o, step, TOTAL) for step in range(8, TOTAL)]
        assert rest == [rate_factor(plain, step, TOTAL - 8) for step in range(TOTAL - 8)]


def test_a_schedule_of_ones_own_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCHEDULES, "_entries", dict(SCHEDULES.entries))

    @register_schedule("root", endless=True)
    def root(step: float, total: float, o: Settings) -> float:
        return (step + 1) ** -0.5

    o = OptimOptions(schedule="root", warmup=2)
    assert [rate_factor(o, step, math.inf) for step in (0, 1, 2, 5)] == [0.5, 1, 1, 0.5]
    check_total(o, math.inf)
    assert not needs_total(o)
    with pytest.raises(ValueError, match="schedule 'root' is registered already"):
        register_schedule("root")(root)


def test_which_schedules_a_longer_run_would_change() -> None:
    assert not needs_total(settings())
    assert not needs_total(settings(warmup=5))
    assert needs_total(settings(warmup=0.5))
    assert all(needs_total(settings(schedule=name)) for name in THEIRS if name != "constant")


def test_a_run_that_is_too_short_or_has_no_end_is_refused() -> None:
    check_total(settings(), 1)
    check_total(settings(warmup=39), 40)
    with pytest.raises(ValueError, match=r"optim\.warmup is 40; allowed: fewer steps than the 40 of the run"):
        check_total(settings(warmup=40), 40)
    for o in (settings(schedule="cosine"), settings(warmup=0.5)):
        with pytest.raises(ValueError, match=r"optim\.schedule is .*; allowed: constant, with a warmup in steps"):
            check_total(o, math.inf)
